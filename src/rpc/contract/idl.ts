import type { Guid } from '../../bytes/index.ts'
import { MAX_ENUM, MAX_FIELDS } from './limits.ts'
import { make, nodeOf, scalar } from './make.ts'
import { checkName, refuse } from './names.ts'
import { arrayShape, type Shape, terminatedShape } from './shape.ts'
import type { Fields, Given, GivenFields, Taken, TakenFields, Type, TypeNode } from './type.ts'

/** A context handle: the server's name for what it keeps for a client. All zeros stand for none. */
export interface ContextHandle {
  readonly attributes: number
  readonly uuid: Guid
}

type Arms = Readonly<Record<number | string, Type>>
type GivenArms<A extends Arms> = { [K in keyof A]: { readonly case: K; readonly value: Given<A[K]> } }[keyof A]
type TakenArms<A extends Arms> = { [K in keyof A]: { case: K; value: Taken<A[K]> } }[keyof A]
type GivenFallback<F extends Type | undefined> = F extends Type
  ? { readonly case: number | string; readonly value: Given<F> }
  : never
type TakenFallback<F extends Type | undefined> = F extends Type ? { case: number | string; value: Taken<F> } : never

export interface UnionOptions<F extends Type | undefined> {
  /** `switch_is`: the sibling that holds the discriminant too, and must say the same. Left out: an encapsulated union. */
  readonly switchIs?: string
  /** What every discriminant without an arm stands for; `t.void` for nothing. Left out: those are refused. */
  readonly fallback?: F
}

/** The members of the results of a plain function: its `[out]` parameters, and `result` where it returns something. */
type OutGiven<F extends Fields, R extends Type | undefined> = GivenFields<F> &
  (R extends Type ? { readonly result: Given<R> } : unknown)
type OutTaken<F extends Fields, R extends Type | undefined> = TakenFields<F> &
  (R extends Type ? { result: Taken<R> } : unknown)

/**
 * What only interfaces of others need: NDR's constructs as their IDL names them. Members of a struct are inline here; put
 * `ref` or `t.optional` around one that the IDL has behind a pointer.
 */
export interface IdlTypes {
  /** `char`: one octet, as a text of one character up to U+00FF. */
  readonly char: Type<string>
  /** `wchar_t`: two bytes, as a text of one UTF-16 unit. */
  readonly wchar: Type<string>
  /** `error_status_t`, 4 bytes: what a function returns. */
  readonly status: Type<number>
  /** A context handle: 20 bytes. */
  readonly handle: Type<ContextHandle>
  /** `[string] char`: conformant varying, Latin-1, the NUL counted. */
  readonly string8: Type<string>
  /** `[range(least, most)]`: both ends are allowed; anything else is refused in both directions. */
  range(type: Type<number>, least: number, most: number): Type<number>
  /** `enum` with numbers of its own: 2 bytes, or 4 for `[v1_enum]`. The value is the name. */
  enumeration<const V extends Readonly<Record<string, number>>>(values: V, bits?: 16 | 32): Type<keyof V & string>
  /** An array, with the counts that its shape has. */
  array<T extends Type>(item: T, shape: Shape): Type<readonly Given<T>[], Taken<T>[]>
  /** An array of `byte`; what arrives is a view. */
  bytes(shape: Shape): Type<Uint8Array>
  /** An array of `char` (8 bits) or `wchar_t` (16 bits) without a terminator; of fixed length it is filled up with NULs. */
  text(bits: 8 | 16, shape: Shape): Type<string>
  /** The same with `[string]`: a NUL ends it, travels and is counted. */
  string(bits: 8 | 16, shape: Shape): Type<string>
  /** `[ref]` pointer: never null. As a whole parameter it is nothing on the wire, as a member 4 bytes. */
  ref<T extends Type>(type: T): Type<Given<T>, Taken<T>>
  /** `[unique]` pointer whose target is in `{ value }`, for pointers to pointers; `undefined` is null. */
  box<T extends Type>(type: T): Type<{ readonly value: Given<T> } | undefined, { value: Taken<T> } | undefined>
  /** `[ptr]`: always refused. */
  full(type: Type): never
  /** A union: the discriminant and one arm, as `{ case, value }`. `tag` is an integer or an enumeration. */
  union<const A extends Arms, F extends Type | undefined = undefined>(
    tag: Type<number> | Type<string>,
    arms: A,
    options?: UnionOptions<F>,
  ): Type<GivenArms<A> | GivenFallback<F>, TakenArms<A> | TakenFallback<F>>
  /** As the whole result of a method: its `[out]` parameters in order, and behind them what the function returns. */
  out<const F extends Fields, R extends Type | undefined = undefined>(
    fields: F,
    returns?: R,
  ): Type<OutGiven<F, R>, OutTaken<F, R>>
}

function text(bits: 8 | 16, shape: Shape, terminated: boolean): Type<string> {
  const where = terminated ? 't.idl.string' : 't.idl.text'
  if (bits !== 8 && bits !== 16) refuse(`${where}: a character has 8 or 16 bits, not ${String(bits)}`)
  const checked = arrayShape(shape, where)
  const node: TypeNode = { kind: 'text', bits, shape: terminated ? terminatedShape(checked) : checked, terminated }
  return make(node, `array of ${bits === 8 ? 'char' : 'wchar_t'}${terminated ? ', [string], NUL counted' : ''}`)
}

export const idl: IdlTypes = Object.freeze({
  char: scalar<string>('char', 'char, 1 byte'),
  wchar: scalar<string>('wchar', 'wchar_t, 2 bytes'),
  status: scalar<number>('status', 'error_status_t, 4 bytes'),
  handle: make<Type<ContextHandle>>({ kind: 'handle' }, 'context handle: attributes and UUID, 20 bytes'),
  string8: text(8, { size: true, length: true }, true),
  range(type: Type<number>, least: number, most: number): Type<number> {
    const node = nodeOf(type, 't.idl.range')
    if (!/^u?int(8|16|32)$/.test(node.kind)) refuse('t.idl.range: expected an integer of at most 32 bits')
    if (!(Number.isInteger(least) && Number.isInteger(most) && least <= most)) {
      refuse(`t.idl.range: ${least} to ${most} is not a range of integers`)
    }
    return make({ ...node, range: Object.freeze([least, most]) } as TypeNode, `${type.wire}, ${least} to ${most}`)
  },
  enumeration<const V extends Readonly<Record<string, number>>>(values: V, bits: 16 | 32 = 16): Type<keyof V & string> {
    const names = Object.keys(values)
    const numbers = Object.values(values)
    const most = bits === 16 ? 0x7fff : 0x7fff_ffff
    if (names.length === 0 || names.length > MAX_ENUM) refuse(`t.idl.enumeration of ${names.length} names`)
    for (const name of names) checkName(name, 't.idl.enumeration')
    if (!numbers.every((value) => Number.isInteger(value) && value >= 0 && value <= most)) {
      refuse(`t.idl.enumeration: expected integers from 0 to ${most}`)
    }
    if (new Set(numbers).size !== numbers.length) refuse('t.idl.enumeration: two names for one value')
    const node: TypeNode = { kind: 'enumeration', names: Object.freeze(names), values: Object.freeze(numbers), bits }
    return make(node, `${bits === 32 ? '[v1_enum] ' : ''}enum, ${bits / 8} bytes`)
  },
  array<T extends Type>(item: T, shape: Shape): Type<readonly Given<T>[], Taken<T>[]> {
    const node: TypeNode = {
      kind: 'sequence',
      item: nodeOf(item, 't.idl.array'),
      shape: arrayShape(shape, 't.idl.array'),
    }
    return make(node, `array of ${item.wire}`)
  },
  bytes: (shape: Shape): Type<Uint8Array> =>
    make({ kind: 'octets', shape: arrayShape(shape, 't.idl.bytes') }, 'array of byte'),
  text: (bits: 8 | 16, shape: Shape): Type<string> => text(bits, shape, false),
  string: (bits: 8 | 16, shape: Shape): Type<string> => text(bits, shape, true),
  ref<T extends Type>(type: T): Type<Given<T>, Taken<T>> {
    const to = nodeOf(type, 't.idl.ref')
    if (to.kind === 'pointer') refuse('t.idl.ref inside t.idl.ref')
    return make({ kind: 'pointer', to }, `reference pointer to ${type.wire}`)
  },
  box<T extends Type>(type: T): Type<{ readonly value: Given<T> } | undefined, { value: Taken<T> } | undefined> {
    return make({ kind: 'box', to: nodeOf(type, 't.idl.box') }, `unique pointer to ${type.wire}`)
  },
  full(): never {
    refuse(
      'full pointers ([ptr]) are not spoken: two of them may point to the same thing, or in a circle. ' +
        'Write t.optional where the peers never do that',
    )
  },
  union<const A extends Arms, F extends Type | undefined = undefined>(
    tag: Type<number> | Type<string>,
    arms: A,
    options: UnionOptions<F> = {},
  ): Type<GivenArms<A> | GivenFallback<F>, TakenArms<A> | TakenFallback<F>> {
    const tagNode = nodeOf(tag as Type, 't.idl.union')
    const { switchIs, fallback } = options
    const list = Object.entries<Type>(arms).map(([key, type]) => ({
      label: tagNode.kind === 'enumeration' ? key : Number(key),
      type: nodeOf(type, `t.idl.union, case ${key}`),
    }))
    if (list.length > MAX_FIELDS) refuse(`t.idl.union: at most ${MAX_FIELDS} cases are allowed`)
    checkLabels(
      tagNode,
      list.map(({ label }) => label),
    )
    if (switchIs !== undefined) checkName(switchIs, 't.idl.union, switchIs')
    const node: TypeNode = {
      kind: 'union',
      tag: tagNode,
      arms: Object.freeze(list),
      ...(switchIs === undefined ? {} : { switchIs }),
      ...(fallback === undefined ? {} : { fallback: nodeOf(fallback, 't.idl.union, fallback') }),
    }
    return make(node, `union, discriminant ${tag.wire}`)
  },
  out<const F extends Fields, R extends Type | undefined = undefined>(
    fields: F,
    returns?: R,
  ): Type<OutGiven<F, R>, OutTaken<F, R>> {
    const list = Object.entries(fields).map(([name, type]) => {
      checkName(name, 't.idl.out')
      return { name, type: nodeOf(type, `t.idl.out, "${name}"`) }
    })
    if (list.length > MAX_FIELDS) refuse(`t.idl.out: at most ${MAX_FIELDS} parameters are allowed`)
    if (returns !== undefined && Object.hasOwn(fields, 'result')) {
      refuse('t.idl.out: "result" is what the function returns; give the parameter another name')
    }
    const result = returns === undefined ? undefined : nodeOf(returns, 't.idl.out, result')
    return make({ kind: 'out', fields: Object.freeze(list), returns: result }, '[out] parameters in order')
  },
})

function checkLabels(tag: TypeNode, labels: readonly (number | string)[]): void {
  if (tag.kind === 'enumeration') {
    for (const label of labels) {
      if (!tag.names.includes(String(label)))
        refuse(`t.idl.union: ${JSON.stringify(label)} is no value of its enumeration`)
    }
    return
  }
  const bits = /^(u?)int(8|16|32)$/.exec(tag.kind)
  if (bits === null) refuse('t.idl.union: the discriminant is an integer of at most 32 bits or an enumeration')
  const least = bits[1] === 'u' ? 0 : -(2 ** (Number(bits[2]) - 1))
  const most = 2 ** (Number(bits[2]) - (bits[1] === 'u' ? 0 : 1)) - 1
  for (const label of labels) {
    if (!(Number.isInteger(label) && Number(label) >= least && Number(label) <= most)) {
      refuse(`t.idl.union: ${label} is no value of its discriminant`)
    }
  }
}
