import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { Reader, Writer } from '../src/bytes/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { contract, method, type RefPort, t, type TypeNode } from '../src/rpc/index.ts'
import { type Marshaller, marshalArguments, marshalResult, type Sample, samples, wireOfOperation } from './inside.ts'
import { joined, mutateBytes } from './mutate.ts'
import { check, Finding, type Target } from './target.ts'

/** Seed of the type, byte order and direction in front of the stub, `bytes`. */
const HEAD = 5
/** Types that are kept (our choice: more than the blocks that are in use). */
const MAX_KEPT = 64

const port: RefPort = {
  give: () => {
    throw new BusbarError('BAD_VALUE', 'no references here')
  },
  take: () => {
    throw new BusbarError('MALFORMED', 'no references here')
  },
}

interface Made extends Sample {
  /** The marshaller that runs, and the one that it must agree with: parameters, and a result. */
  readonly twins: readonly (readonly [Marshaller, Marshaller])[]
  /** Most values that a byte may stand for. */
  readonly weight: number
}

/**
 * Stubs of random contracts, valid, damaged and of noise. The readers throw `MALFORMED` or give a value that is not much
 * larger than its bytes; generated and interpreting marshallers agree on everything; what was read can be written,
 * and reads as the same.
 */
export function marshalling(): Target {
  const kept = new Map<number, Made>()
  const made = (seed: number): Made => {
    let found = kept.get(seed)
    if (found === undefined) {
      found = make(seed)
      if (kept.size >= MAX_KEPT) kept.clear()
      kept.set(seed, found)
    }
    return found
  }
  return {
    name: 'ndr',
    draw(random, block) {
      const head = block.fill(new Uint8Array(HEAD))
      head[4] = random.below(4)
      const { twins, value } = made(new DataView(head.buffer).getUint32(0))
      const result = (head[4] & 2) !== 0
      const [marshaller] = twins[result ? 1 : 0] as readonly [Marshaller, Marshaller]
      const writer = new Writer((head[4] & 1) === 0)
      marshaller.write(writer, result ? value : { before: 1, value, after: 2 }, port)
      let stub: Uint8Array = writer.finish()
      if (random.chance(0.05)) stub = random.fill(new Uint8Array(random.sized(200)))
      for (let edits = random.below(4); edits > 0; edits--) stub = mutateBytes(random, stub)
      return joined([head, stub])
    },
    async run(input) {
      const head = new DataView(Uint8Array.from({ length: HEAD }, (_, at) => input[at] ?? 0).buffer)
      const { twins, weight } = made(head.getUint32(0))
      const bits = head.getUint8(4)
      const [one, other] = twins[(bits >> 1) & 1] as readonly [Marshaller, Marshaller]
      return look(one, other, input.slice(HEAD), (bits & 1) === 0, weight)
    },
  }
}

function make(seed: number): Made {
  const [{ type, value }] = fc.sample(samples, { seed: seed | 0, numRuns: 1 }) as [Sample]
  const args = { before: t.uint8, value: type, after: t.uint16 }
  const [procedure] = contract('fuzz.Ndr', { version: '1.0' }, { m: method(args, type) }).procedures
  if (procedure === undefined) throw new Finding('a contract without its method')
  const wire = wireOfOperation(procedure)
  const twins = [
    [marshalArguments(wire, 'm', 'compiled'), marshalArguments(wire, 'm', 'interpreted')],
    [marshalResult(wire, false, 'm', 'compiled'), marshalResult(wire, false, 'm', 'interpreted')],
  ] as const
  return { type, value, twins, weight: weightOf(type.node) + 4 }
}

function look(one: Marshaller, other: Marshaller, stub: Uint8Array, little: boolean, weight: number): string {
  const read = reading(one, stub, little)
  const twin = reading(other, stub, little)
  check(isDeepStrictEqual(read, twin), () => `compiled reads ${show(read)}, interpreted ${show(twin)}`)
  if ('code' in read) {
    check(read.code === 'MALFORMED', () => `a reader threw ${read.code}`)
    return read.code
  }
  const size = sizeOf(read.value)
  check(size <= weight * (stub.length + 1), () => `${stub.length} bytes became ${size} values, ${weight} each at most`)
  const again = writing(one, read.value, little)
  check(again === writing(other, read.value, little), () => `the two write ${show(read)} differently`)
  check(!again.startsWith('refused'), () => `what was read cannot be written: ${again}, ${show(read)}`)
  const second = reading(one, new Uint8Array(Buffer.from(again, 'hex')), little)
  check('value' in second, () => `what was written cannot be read: ${again}, ${show(second)}`)
  const third = 'value' in second ? writing(one, second.value, little) : ''
  check(third === again, () => `written and read, ${again} becomes ${third}`)
  return again
}

/** What a marshaller made of bytes, or what it refused them with. */
export type Read = { readonly value: unknown; readonly at: number } | { readonly code: string }

export function reading(marshaller: Marshaller, stub: Uint8Array, little: boolean): Read {
  try {
    const reader = new Reader(stub, little)
    return { value: marshaller.read(reader, port), at: reader.at }
  } catch (thrown) {
    if (thrown instanceof BusbarError) return { code: thrown.code }
    throw thrown
  }
}

function writing(marshaller: Marshaller, value: unknown, little: boolean): string {
  try {
    const writer = new Writer(little)
    marshaller.write(writer, value, port)
    check(marshaller.measure(value) >= writer.length, () => `measured less than ${writer.length} bytes`)
    return Buffer.from(writer.finish()).toString('hex')
  } catch (thrown) {
    if (thrown instanceof BusbarError) return `refused: ${thrown.code} ${thrown.message}`
    throw thrown
  }
}

/** How many values, characters and bytes there are in a value. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return 1 + value.length
  if (typeof value !== 'object' || value === null || value instanceof Date) return 1
  const parts = value instanceof Map ? [...value].flat() : Object.values(value)
  return parts.reduce<number>((sum, part) => sum + sizeOf(part), 1)
}

/** How many values one value of a type has at most, arrays of any length counted as one item. */
function weightOf(node: TypeNode): number {
  switch (node.kind) {
    case 'struct':
    case 'out':
      return 1 + node.fields.reduce((sum, { type }) => sum + weightOf(type), 0)
    case 'array':
    case 'optional':
    case 'stream':
      return 1 + weightOf(node.item)
    case 'map':
      return 2 + weightOf(node.key) + weightOf(node.value)
    case 'variant':
      return 2 + node.cases.flatMap(({ fields }) => fields).reduce((sum, { type }) => sum + weightOf(type), 0)
    case 'sequence':
      return 1 + weightOf(node.item) * (node.shape.form === 'fixed' ? node.shape.length : 1)
    case 'pointer':
    case 'box':
      return 2 + weightOf(node.to)
    default:
      return 40
  }
}

function show(read: Read): string {
  const text = JSON.stringify(read, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
  return text.length > 500 ? `${text.slice(0, 500)}...` : text
}
