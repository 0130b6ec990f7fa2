import { countedArray } from './build.ts'
import { alignOf, type WireArray, type WireMember, type WireStruct, type WireType, type WireUnion } from './wire.ts'

/** The everyday string: `[string] wchar_t`, which agrees with nobody about its counts. */
export function isPlainString({ shape, string, item }: WireArray): boolean {
  if (!string || item.kind !== 'base' || item.base !== 'wchar_t' || shape.form !== 'conformant-varying') return false
  return shape.sizeIs === undefined && shape.lengthIs === undefined
}

/** Whether a type is compiled to straight code. Context handles and references are left to the codecs of build.ts. */
export function isPlain(type: WireType): boolean {
  return type.kind !== 'handle' && type.kind !== 'interface'
}

function someArm({ arms, fallback }: WireUnion, is: (type: WireType) => boolean): boolean {
  const types = [...arms.map(({ type }) => type), fallback ?? null]
  return types.some((type) => type !== null && is(type))
}

/** Whether something of the type is behind a pointer. */
export function defers(type: WireType): boolean {
  switch (type.kind) {
    case 'pointer':
    case 'interface':
      return true
    case 'struct':
      return type.as !== 'object' || type.members.some((member) => defers(member.type))
    case 'array':
      return type.as === 'array' && defers(type.item)
    case 'union':
      return someArm(type, defers)
    default:
      return false
  }
}

/** Whether there is something to do once what stands around a value was read: what is deferred, or compared with siblings. */
export function finishes(type: WireType): boolean {
  switch (type.kind) {
    case 'struct':
      return type.as !== 'object' || type.members.some((member) => agrees(member.type) || finishes(member.type))
    case 'array':
      return type.as === 'array' && finishes(type.item)
    case 'union':
      return someArm(type, finishes)
    default:
      return defers(type)
  }
}

/** Whether a value is compared with what siblings say of it. */
export function agrees(type: WireType): boolean {
  switch (type.kind) {
    case 'array':
      return 'sizeIs' in type.shape || 'lengthIs' in type.shape
    case 'union':
      return type.switchIs !== undefined
    case 'pointer':
      return agrees(type.to)
    default:
      return false
  }
}

/** Whether siblings have to be known where a value is read: an arm of a union has those of the union. */
function asks(type: WireType): boolean {
  if (type.kind === 'union') return agrees(type) || someArm(type, asks)
  return type.kind === 'pointer' ? asks(type.to) : agrees(type)
}

/** The same of any of the members. */
export function asksSiblings(members: readonly WireMember[]): boolean {
  return members.some(({ type }) => asks(type))
}

/** The inline size of a type at a position that is aligned to 8, `bytes`; `undefined` when it varies. */
export function inlineSize(type: WireType): number | undefined {
  return end(type, 0)
}

function end(type: WireType, from: number): number | undefined {
  const start = from + (-from & (alignOf(type) - 1))
  switch (type.kind) {
    case 'base':
    case 'enum':
      return start + type.size
    case 'guid':
      return start + 16
    case 'pointer':
      return start + 4
    case 'struct':
      if (type.conformant) return undefined
      return type.as === 'object' ? membersEnd(type, start) : start + 8
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

/** The name of the property that holds the discriminant of a union. */
export function labelOf({ as }: WireUnion): string {
  return as.form === 'flat' ? as.tag : 'case'
}
