import { countedArray } from './build.ts'
import { alignOf, type WireArray, type WireStruct, type WireType } from './wire.ts'

/** The everyday string: `[string] wchar_t`, which agrees with nobody about its counts. */
function isPlainString({ shape, string, item }: WireArray): boolean {
  if (!string || item.kind !== 'base' || item.base !== 'wchar_t' || shape.form !== 'conformant-varying') return false
  return shape.sizeIs === undefined && shape.lengthIs === undefined
}

/**
 * Whether a type is compiled to straight code. Everything else (what only existing interfaces have, maps, unions,
 * references) is left to the codecs of build.ts, inside or around compiled code.
 */
export function isPlain(type: WireType): boolean {
  switch (type.kind) {
    case 'base':
    case 'enum':
    case 'guid':
      return true
    case 'array':
      return isPlainString(type)
    case 'struct':
      return type.as === 'object' ? !type.conformant : type.as === 'items'
    case 'pointer':
      return type.as === 'value' && isPlain(type.to)
    default:
      return false
  }
}

/** Whether something of the type is behind a pointer. Only asked of plain types. */
export function defers(type: WireType): boolean {
  if (type.kind === 'pointer') return true
  if (type.kind !== 'struct') return false
  return type.as === 'items' || type.members.some((member) => !isPlain(member.type) || defers(member.type))
}

/** The inline size of a plain type at a position that is aligned to 8, `bytes`; `undefined` when it varies. */
export function inlineSize(type: WireType): number | undefined {
  return end(type, 0)
}

function end(type: WireType, from: number): number | undefined {
  const start = from + (-from & (alignOf(type) - 1))
  if (!isPlain(type)) return undefined
  switch (type.kind) {
    case 'base':
    case 'enum':
      return start + type.size
    case 'guid':
      return start + 16
    case 'pointer':
      return start + 4
    case 'struct':
      return type.as === 'items' ? start + 8 : membersEnd(type, start)
    default:
      return undefined
  }
}

function membersEnd({ members }: WireStruct, start: number): number | undefined {
  let at: number | undefined = start
  for (const member of members) at = at === undefined ? undefined : end(member.type, at)
  return at
}

/** The items behind `struct { count; items }`. */
export function countedItem(type: WireStruct): { readonly item: WireType; readonly bytes: boolean } {
  const { item, as } = countedArray(type)
  return { item, bytes: as === 'bytes' }
}
