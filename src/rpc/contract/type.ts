import type { Contract } from './contract.ts'

/**
 * What a type is, as data: the contract's tree. `wireOf` turns it into what NDR sees, from which marshallers, IDL and
 * decoders are made.
 */
export type TypeNode =
  | { readonly kind: 'void' }
  | ScalarNode
  | { readonly kind: 'string' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'json' }
  | EnumerationNode
  | { readonly kind: 'struct'; readonly fields: readonly FieldNode[] }
  | { readonly kind: 'array'; readonly item: TypeNode }
  | { readonly kind: 'map'; readonly key: TypeNode; readonly value: TypeNode }
  | VariantNode
  | { readonly kind: 'optional'; readonly item: TypeNode }
  | { readonly kind: 'ref'; readonly contract: () => Contract }
  | { readonly kind: 'stream'; readonly item: TypeNode }
  | IdlNode

/** Types that only existing interfaces need: `t.idl`. */
export type IdlNode =
  | { readonly kind: 'sequence'; readonly item: TypeNode; readonly shape: ArrayShape }
  | { readonly kind: 'octets'; readonly shape: ArrayShape }
  | TextNode
  | UnionNode
  | { readonly kind: 'pointer'; readonly to: TypeNode }
  | { readonly kind: 'box'; readonly to: TypeNode }
  | { readonly kind: 'handle' }
  | { readonly kind: 'out'; readonly fields: readonly FieldNode[]; readonly returns: TypeNode | undefined }

export interface ScalarNode {
  readonly kind: ScalarKind
  /** The least and the greatest value, both allowed, for integers. */
  readonly range?: readonly [least: number, most: number]
}

export type ScalarKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint53'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64'
  | 'date'
  | 'guid'
  | 'char'
  | 'wchar'
  | 'status'

export interface EnumerationNode {
  readonly kind: 'enumeration'
  readonly names: readonly string[]
  /** The number of each name; absent where it is the position. */
  readonly values?: readonly number[]
  /** Size on the wire, `bits`; 16 when absent. */
  readonly bits?: 16 | 32
}

/** One of several structs, told apart by a member that holds a name. */
export interface VariantNode {
  readonly kind: 'variant'
  /** The member that holds the name. */
  readonly tag: string
  readonly cases: readonly { readonly name: string; readonly fields: readonly FieldNode[] }[]
}

/** Characters, one unit each; the value is a text. */
export interface TextNode {
  readonly kind: 'text'
  /** Size of a unit, `bits`: 16 is UTF-16, 8 is Latin-1. */
  readonly bits: 8 | 16
  readonly shape: ArrayShape
  /** `[string]`: a NUL at the end travels and is counted. */
  readonly terminated: boolean
}

export interface UnionNode {
  readonly kind: 'union'
  /** The type of the discriminant: an integer or an enumeration. */
  readonly tag: TypeNode
  /** The sibling that holds the discriminant too (`switch_is`); absent: the union is encapsulated. */
  readonly switchIs?: string
  readonly arms: readonly UnionArm[]
  /** What every other discriminant stands for; absent: they are refused. */
  readonly fallback?: TypeNode
}

export interface UnionArm {
  /** A value of the discriminant: an integer, or a name when it is an enumeration. */
  readonly label: number | string
  /** `void` is an arm with nothing in it. */
  readonly type: TypeNode
}

/** How many items an array has, and where that is said. */
export type ArrayShape =
  /** Always so many. */
  | { readonly form: 'fixed'; readonly length: number }
  /** At most `most`; the number of those that travel is said in front of them. */
  | { readonly form: 'varying'; readonly most: number; readonly lengthIs?: Count }
  /** As many as a sibling says. */
  | { readonly form: 'conformant'; readonly sizeIs?: Count }
  /** Room for as many as one sibling says, of which as many travel as another says. */
  | { readonly form: 'conformant-varying'; readonly sizeIs?: Count; readonly lengthIs?: Count }

/** A constant, or a number made from a sibling: `name`, or `name / 2` and the like, as in `size_is(name / 2)`. */
export type Count = number | SiblingCount

export interface SiblingCount {
  /** The member or parameter. */
  readonly name: string
  readonly operator?: '+' | '-' | '*' | '/'
  readonly operand?: number
}

/** One named member of a struct or of a method's arguments, in wire order. */
export interface FieldNode {
  readonly name: string
  readonly type: TypeNode
}

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

declare const VALUES: unique symbol

/**
 * A type of a contract. `Given` is what the side that sends it provides, `Taken` what the other side receives; they
 * differ only for references and streams. The two exist for the compiler alone.
 */
export interface Type<Given = unknown, Taken = Given> {
  readonly node: TypeNode
  /** What it is on the wire, for people; `docs/protocol/objects.md` has the table. */
  readonly wire: string
  readonly [VALUES]: { readonly given: Given; readonly taken: Taken }
}

/** A type whose field may be left out. */
export interface OptionalType<Given = unknown, Taken = Given> extends Type<Given | undefined, Taken | undefined> {
  readonly optional: true
}

/** A type that a method can return, or have as a whole argument: its value is an async iterable on both sides. */
export interface StreamType<Given = unknown, Taken = Given>
  extends Type<AsyncIterable<Given> | Iterable<Given>, Stream<Taken>> {
  readonly stream: true
}

/** A type whose value is a reference, or none: where it is a whole result, calls can be made on it before it is there. */
export interface RefType<Given = unknown, Taken = Given> extends Type<Given, Taken> {
  readonly reference: true
}

/**
 * What a method with a stream result gives its caller, and what a method with a stream among its arguments gets. The call of a
 * result is made when iteration begins; leaving the loop, in whatever way, releases the producer at once. It can be iterated once. An
 * argument can be read until the method has returned, or until the stream that it returned is over.
 */
export interface Stream<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  [Symbol.asyncIterator](): Stream<T>
  next(): Promise<IteratorResult<T, undefined>>
  return(): Promise<IteratorResult<T, undefined>>
}

/** The value the sending side provides for a type. */
export type Given<T extends Type> = T[typeof VALUES]['given']
/** The value the receiving side gets for a type. */
export type Taken<T extends Type> = T[typeof VALUES]['taken']

/** Named types, as written in a struct or in a method's arguments. */
export type Fields = Readonly<Record<string, Type>>

type LeftOut<F extends Fields> = { [K in keyof F]: F[K] extends OptionalType ? K : never }[keyof F]
type Simplify<T> = { [K in keyof T]: T[K] }

/** The object the sending side provides for fields; optional ones may be left out. */
export type GivenFields<F extends Fields> = Simplify<
  { [K in Exclude<keyof F, LeftOut<F>>]: Given<F[K]> } & { [K in LeftOut<F>]?: Given<F[K]> }
>
/** The object the receiving side gets for fields. */
export type TakenFields<F extends Fields> = Simplify<
  { [K in Exclude<keyof F, LeftOut<F>>]: Taken<F[K]> } & { [K in LeftOut<F>]?: Taken<F[K]> }
>
