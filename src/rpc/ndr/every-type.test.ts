import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Reader } from '../../bytes/index.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Fields, Type } from '../contract/type.ts'
import { encode, hex, noRefs } from './harness.test.ts'
import type { Marshaller } from './marshal.ts'
import type { RefPort } from './codec.ts'
import { type Sample, samples } from './samples.test.ts'

const { idl } = t
const File = contract('a.File', { version: '1.0' }, { m: method({}, t.void) })

/** References are texts here. */
const names: RefPort = {
  give: (_, given) => Buffer.from(String(given)),
  take: (_, taken) => Buffer.from(taken).toString(),
}

/** Types that only a whole result can be, and those with references. */
const results: readonly Sample[] = [
  { type: t.void, value: undefined },
  { type: t.stream(t.string), value: 'a stream' },
  { type: t.ref(File), value: 'a file' },
  {
    type: t.array(t.struct({ one: t.ref(File), more: t.optional(t.ref(File)) })),
    value: [
      { one: 'x', more: undefined },
      { one: 'y', more: 'z' },
    ],
  },
  { type: idl.out({ a: t.uint8, b: t.string }, idl.status), value: { a: 1, b: 'two', result: 3 } },
]

/** So many types by chance (our choice: every kind is among them, which is tested). */
const RUNS = 400

function chosen(): readonly Sample[] {
  return fc.sample(samples, { seed: 31, numRuns: RUNS })
}

/** The kinds of all types that are written, however deep. */
export function kinds(): Set<string> {
  const found = new Set<string>()
  const look = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return
    if ('kind' in part && typeof part.kind === 'string') found.add(part.kind)
    for (const inner of Object.values(part)) look(inner)
  }
  for (const { type } of [...chosen(), ...results]) look(type.node)
  return found
}

/** Writes and reads values of every type as whatever makes marshallers here does it; what was written, in hex. */
export function transcript(): string[] {
  const lines: string[] = []
  const there = (marshaller: Marshaller, value: unknown, port: RefPort): void => {
    for (const little of [true, false]) {
      const stub = encode(marshaller, value, little, port)
      const reader = new Reader(stub, little)
      assert.deepEqual(marshaller.read(reader, port), value)
      assert.equal(reader.left, 0)
      lines.push(hex(stub))
    }
  }
  const of = (args: Fields, result: Type): { request: Marshaller; reply: Marshaller } =>
    contract('a.B', { version: '1.0' }, { m: method(args, result) }).procedures[0]!
  for (const { type, value } of chosen()) {
    const { request, reply } = of({ before: t.uint8, value: type, after: t.uint16 }, type)
    there(request, { before: 1, value, after: 2 }, noRefs)
    there(reply, value, noRefs)
  }
  for (const { type, value } of results) there(of({}, type).reply, value, names)
  return lines
}
