import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { BusbarError } from '../src/errors/index.ts'
import {
  type AnyMethod,
  type Contract,
  contract,
  contractsFrom,
  describeContracts,
  method,
  type Procedure,
  t,
  type Type,
} from '../src/rpc/index.ts'
import { marshalArguments, marshalResult, type Sample, type SimRandom, samples, wireOfOperation } from './inside.ts'
import { reading } from './marshalling.ts'
import { mutateBytes } from './mutate.ts'
import { check, pattern, type Target } from './target.ts'

/** What a description may be refused with (`contractsFrom`). */
const REFUSALS: ReadonlySet<string> = new Set(['MALFORMED', 'LIMIT', 'VERSION'])
/** Texts that programs trip over when they take them for names. */
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'then',
  '',
  ' ',
  'a b',
  "a'b",
  'a"b',
  'a`${1}`',
  '\u2028',
  '\ud800',
]
const NUMBERS = [-1, 0, 1, 0.5, 3, 65_533, 65_536, 2 ** 31, 2 ** 53, -0]
/** Deepest nesting that is planted: more than any type may have. */
const DEEP = 200
/** Bytes that every described method is given to read. */
const STUB = pattern(96, 3)

/** What streams are of. */
const ITEMS: readonly Type[] = [
  t.string,
  t.bytes,
  t.struct({ size: t.uint53, name: t.optional(t.string) }),
  t.map(t.string, t.array(t.uint8)),
  t.union('kind', { none: {}, some: { at: t.date } }),
]

type Tree = unknown

/**
 * Descriptions of random contracts, damaged as trees and as text. Whoever reads one refuses it with the codes that are promised, or has
 * contracts that would be described in the same words; and those can be used: their marshallers, made of the peer's names, read anything
 * as the interpreting ones do.
 */
export function descriptions(): Target {
  let kept: { readonly seed: number; readonly tree: Tree } | undefined
  return {
    name: 'description',
    draw(random, block) {
      const seed = block.next()
      if (kept?.seed !== seed) kept = { seed, tree: describeContracts(drawn(block)) }
      let { tree } = kept
      for (let edits = random.below(4); edits > 0; edits--) tree = mutateTree(random, tree)
      const bytes = new TextEncoder().encode(JSON.stringify(tree))
      return random.chance(0.1) ? mutateBytes(random, bytes) : bytes
    },
    run: async (input) => look(new TextDecoder().decode(input)),
  }
}

/** A few contracts that refer to one another. */
function drawn(random: SimRandom): Contract[] {
  const found: Contract[] = []
  for (let i = random.sized(3); i > 0; i--) {
    const types = fc.sample(samples, { seed: random.next() | 0, numRuns: 3 }).map(({ type }: Sample) => type)
    const [one = t.uint8, two = t.uint8, three = t.uint8] = types
    const item = random.pick(ITEMS)
    const known = found.at(-1)
    const methods: Record<string, AnyMethod> = {
      take: method({ one, two }, t.void, random.chance(0.3) ? { idempotent: true } : {}),
      give: method({ name: t.string }, three),
      list: method({ items: t.stream(item) }, t.stream(t.optional(t.string))),
      ...(known === undefined ? {} : { open: method({ to: t.optional(t.ref(known)) }, t.array(t.ref(known))) }),
      last: method({}, t.void, random.chance(0.3) ? { opnum: 4 + random.sized(20) } : {}),
    }
    found.push(contract(`fuzz.Described${i}`, { version: `${1 + random.below(3)}.${random.below(3)}` }, methods))
  }
  return found.toReversed()
}

/** One place of the tree changed: by what stands elsewhere, by what no description has, or in number. */
function mutateTree(random: SimRandom, tree: Tree): Tree {
  const places: { readonly holder: Record<string, Tree> | Tree[]; readonly key: string | number }[] = []
  const copy = structuredClone(tree)
  const pending = [copy]
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (typeof one !== 'object' || one === null) continue
    const holder = one as Record<string, Tree> | Tree[]
    const keys = Array.isArray(holder) ? holder.keys() : Object.keys(holder)
    for (const key of keys) {
      places.push({ holder, key })
      pending.push((holder as Record<string | number, Tree>)[key])
    }
  }
  if (places.length === 0) return copy
  const { holder, key } = random.pick(places)
  const at = holder as Record<string | number, Tree>
  const other = random.pick(places)
  const elsewhere = structuredClone((other.holder as Record<string | number, Tree>)[other.key])
  switch (random.below(7)) {
    case 0:
      at[key] = elsewhere
      break
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete at[key]
      break
    case 2:
      if (Array.isArray(holder)) for (let i = random.sized(40); i > 0; i--) holder.push(structuredClone(at[key]))
      else Object.defineProperty(holder, random.pick(NAMES), { value: elsewhere, enumerable: true, configurable: true })
      break
    case 3:
      at[key] = random.pick(NAMES)
      break
    case 4:
      at[key] = random.pick(NUMBERS)
      break
    case 5:
      at[key] = random.pick([null, true, [], {}])
      break
    default:
      for (let i = random.sized(DEEP); i > 0; i--) at[key] = { kind: random.pick(['array', 'optional']), item: at[key] }
  }
  return copy
}

function look(text: string): string {
  let given: Tree
  try {
    given = JSON.parse(text)
  } catch {
    return 'no JSON'
  }
  let read: Contract[]
  try {
    read = contractsFrom(given)
  } catch (thrown) {
    check(thrown instanceof BusbarError, () => `threw ${String(thrown)}`)
    const { code, message } = thrown as BusbarError
    check(REFUSALS.has(code), () => `was refused with ${code}: ${message}`)
    check(message.length <= 1_000, () => `says why in ${message.length} characters`)
    return code
  }
  const again = describeContracts(read)
  const words = contractsOf(given)
  for (const [uuid, one] of contractsOf(again)) {
    check(isDeepStrictEqual(one, words.get(uuid)), () => `says otherwise of itself: ${JSON.stringify(one)}`)
  }
  check(isDeepStrictEqual(describeContracts(contractsFrom(again)), again), () => 'is not the same when read again')
  return read.flatMap(({ procedures }) => procedures.map(used)).join()
}

function contractsOf(description: Tree): Map<unknown, unknown> {
  const { contracts } = description as { contracts: readonly { uuid: unknown }[] }
  return new Map(contracts.map((one) => [one.uuid, one]))
}

/** What its marshallers make of bytes. */
function used(procedure: Procedure): string {
  const wire = wireOfOperation(procedure)
  const result = procedure.result.kind === 'out'
  const pairs = [
    [marshalArguments(wire, 'm', 'compiled'), marshalArguments(wire, 'm', 'interpreted')],
    [marshalResult(wire, result, 'm', 'compiled'), marshalResult(wire, result, 'm', 'interpreted')],
  ] as const
  return pairs
    .map(([compiled, interpreted]) => {
      const read = reading(compiled, STUB, true)
      const twin = reading(interpreted, STUB, true)
      check(isDeepStrictEqual(read, twin), () => `${procedure.path}: compiled and interpreted read differently`)
      return 'code' in read ? read.code : read.at
    })
    .join('/')
}
