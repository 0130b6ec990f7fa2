/** Plain data as a Lua table constructor. What is `undefined` is left out, and `null` is `false`. */
export function toLua(value: unknown): string {
  if (value === null) return 'false'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return luaString(value)
  if (Array.isArray(value)) return `{${value.map(toLua).join(', ')}}`
  const entries = Object.entries(value as object).filter(([, inner]) => inner !== undefined)
  return `{${entries.map(([key, inner]) => `[${luaString(key)}] = ${toLua(inner)}`).join(', ')}}`
}

/** Text as Lua 5.2 and later read it, whatever is in it. */
export function luaString(text: string): string {
  const bytes = new TextEncoder().encode(text)
  let made = ''
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
    made += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`
  }
  return `"${made}"`
}
