import type { ArrayShape } from '../contract/type.ts'
import type { Contract } from '../contract/contract.ts'

/**
 * What a type is on the wire: NDR's own constructs and nothing else, whatever the value is in TypeScript. Marshallers are
 * made from this, and so is everything that explains a contract to others (MIDL, decoders).
 */
export type WireType =
  | WireBase
  | WireEnum
  | WireGuid
  | WireHandle
  | WireArray
  | WireStruct
  | WireUnion
  | WirePointer
  | WireInterface

/** The base types of C706, 14.2, as IDL writes them. */
export type BaseName =
  | 'boolean'
  | 'byte'
  | 'char'
  | 'wchar_t'
  | 'small'
  | 'unsigned small'
  | 'short'
  | 'unsigned short'
  | 'long'
  | 'unsigned long'
  | 'hyper'
  | 'unsigned hyper'
  | 'float'
  | 'double'
  | 'error_status_t'

export interface WireBase {
  readonly kind: 'base'
  readonly base: BaseName
  /** `bytes`; the alignment is the same. */
  readonly size: 1 | 2 | 4 | 8
  /** `[range(least, most)]`. */
  readonly range?: readonly [least: number, most: number]
  /** What the value is in TypeScript; `unit` is a text of one UTF-16 unit. */
  readonly as: 'boolean' | 'number' | 'bigint' | 'safe integer' | 'date' | 'unit'
}

export interface WireEnum {
  readonly kind: 'enum'
  /** `bytes`: 2, or 4 for `[v1_enum]`; the alignment is the same. */
  readonly size: 2 | 4
  /** In the order of declaration. Names are text for people, not always identifiers. */
  readonly labels: readonly { readonly name: string; readonly value: number }[]
}

/** A GUID: 16 bytes aligned to 4. */
export interface WireGuid {
  readonly kind: 'guid'
}

/** A context handle: attributes and a UUID, 20 bytes aligned to 4 (C706, N.2). */
export interface WireHandle {
  readonly kind: 'handle'
}

export interface WireArray {
  readonly kind: 'array'
  readonly item: WireType
  readonly shape: ArrayShape
  /** `[string]`: the last item is a NUL, which is counted. */
  readonly string: boolean
  /** What the value is in TypeScript: `bytes` of `byte`, `text` of `char` or `wchar_t`. */
  readonly as: 'array' | 'bytes' | 'text'
}

export interface WireMember {
  readonly name: string
  readonly type: WireType
}

export interface WireStruct {
  readonly kind: 'struct'
  readonly members: readonly WireMember[]
  /** `bytes`: that of the widest member. */
  readonly align: number
  /** The last member ends in a conformant array, whose maximum count stands in front of the whole structure. */
  readonly conformant: boolean
  /**
   * What the value is in TypeScript. `object` has one property per member. The others are made of two members, `count`
   * and a reference pointer `items`, and the value is the items alone, a Map of them, or the value behind JSON text.
   */
  readonly as: 'object' | 'items' | 'map' | 'json'
}

export interface WireUnion {
  readonly kind: 'union'
  /** The discriminant, which travels in front of the arm. */
  readonly tag: WireBase | WireEnum
  /** `switch_is`: the sibling that says the same once more. Absent: encapsulated. */
  readonly switchIs?: string
  readonly arms: readonly WireArm[]
  /** `default:`; `null` is an empty one. Absent: other discriminants are refused. */
  readonly fallback?: WireType | null
  /** `bytes`: that of the widest of discriminant and arms; a structure around it needs to know. */
  readonly align: number
  /** What the value is in TypeScript: `{ case, value }`, or the arm's own object with the discriminant's name as `tag`. */
  readonly as: { readonly form: 'case' } | { readonly form: 'flat'; readonly tag: string }
}

export interface WireArm {
  /** The discriminant in TypeScript: a number, or the name of an enumeration's value. */
  readonly label: number | string
  /** The discriminant as a number. */
  readonly value: number
  /** `null`: an empty arm. */
  readonly type: WireType | null
}

export interface WirePointer {
  readonly kind: 'pointer'
  /** As a whole parameter a `ref` pointer is nothing on the wire; anywhere else it is four bytes that are not 0. */
  readonly pointer: 'unique' | 'ref'
  readonly to: WireType
  /** `value`: null is `undefined`. `box`: what it points to is in `{ value }`, so that a pointer can point to a pointer. */
  readonly as: 'value' | 'box'
}

/** A unique pointer to MInterfacePointer, a conformant structure that holds an OBJREF (MS-DCOM 2.2.14). */
export interface WireInterface {
  readonly kind: 'interface'
  readonly contract: () => Contract
  /** Null is allowed. */
  readonly optional: boolean
}

/** Both directions of one operation. */
export interface WireOperation {
  readonly name: string
  /** Parameters that the caller sends, in order. */
  readonly request: readonly WireMember[]
  /** Parameters that come back, in order. */
  readonly reply: readonly WireMember[]
  /** What the function itself returns: the last thing of the reply. */
  readonly returns: WireType | undefined
}

/** Alignment of the inline part, `bytes`. */
export function alignOf(type: WireType): number {
  switch (type.kind) {
    case 'base':
    case 'enum':
      return type.size
    case 'struct':
    case 'union':
      return type.align
    case 'array':
      return isVarying(type.shape) ? Math.max(4, alignOf(type.item)) : alignOf(type.item)
    default:
      return 4
  }
}

/** Whether it ends in a conformant array that a structure around it has to announce. */
export function isConformant(type: WireType): boolean {
  if (type.kind === 'struct') return type.conformant
  return type.kind === 'array' && isAnnounced(type.shape)
}

/** Whether a maximum count stands in front of the items, or of the structure that ends in them. */
export function isAnnounced({ form }: ArrayShape): boolean {
  return form === 'conformant' || form === 'conformant-varying'
}

/** Whether an offset and an actual count stand in front of the items. */
export function isVarying({ form }: ArrayShape): boolean {
  return form === 'varying' || form === 'conformant-varying'
}
