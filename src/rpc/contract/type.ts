import type { Contract } from './contract.ts'

/** What a type is, as data: the contract's tree, from which marshallers, IDL and descriptions are made. */
export type TypeNode =
  | { readonly kind: 'void' }
  | { readonly kind: ScalarKind }
  | { readonly kind: 'string' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'enumeration'; readonly names: readonly string[] }
  | { readonly kind: 'struct'; readonly fields: readonly FieldNode[] }
  | { readonly kind: 'array'; readonly item: TypeNode }
  | { readonly kind: 'optional'; readonly item: TypeNode }
  | { readonly kind: 'ref'; readonly contract: () => Contract }
  | { readonly kind: 'stream'; readonly item: TypeNode }

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

/** One named member of a struct or of a method's arguments, in wire order. */
export interface FieldNode {
  readonly name: string
  readonly type: TypeNode
}

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

/** A type that a method can only return: its value is an async iterable on both sides. */
export interface StreamType<Given = unknown, Taken = Given>
  extends Type<AsyncIterable<Given> | Iterable<Given>, Stream<Taken>> {
  readonly stream: true
}

/**
 * What a method with a stream result gives its caller. The call is made when iteration begins; leaving the loop, in
 * whatever way, releases the producer at once. It can be iterated once.
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
