/** The byte at `offset` of a direction of a pipe: tells pipes, directions, and neighbouring offsets apart. */
function patternByte(seed: number, offset: number): number {
  return (seed + offset * 7 + (offset >>> 8) * 13 + (offset >>> 16) * 101) & 255
}

/** What each direction of a pipe mixes into its bytes. */
export function patternSeed(pipe: number, direction: 'up' | 'down'): number {
  return pipe * 31 + (direction === 'up' ? 0 : 117)
}

export function fillPattern(seed: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = patternByte(seed, offset + at)
  return bytes
}

/** Index of the first byte that differs from the pattern; -1 when none does. */
export function differsFromPattern(bytes: Uint8Array, seed: number, offset: number): number {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== patternByte(seed, offset + at)) return at
  return -1
}
