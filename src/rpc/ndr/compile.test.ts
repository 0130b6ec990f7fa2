import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Reader, Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Type } from '../contract/type.ts'
import { compile } from './compile.ts'
import { kinds, transcript } from './every-type.test.ts'
import { encode, noRefs, reply } from './harness.test.ts'
import { wireOfOperation } from './lower.ts'
import { type Making, type Marshaller, marshalArguments, marshalResult } from './marshal.ts'
import { type Sample, samples } from './samples.test.ts'

const { idl } = t

/** Both marshallers of both directions: parameters around the value, and the value as a result. */
function twins(type: Type): [compiled: Marshaller, interpreted: Marshaller][] {
  const args = { before: t.uint8, value: type, after: t.uint16 }
  const [both] = contract('a.B', { version: '1.0' }, { m: method(args, type) }).procedures
  const wire = wireOfOperation(both!)
  const make = (making: Making): Marshaller[] => [
    marshalArguments(wire, 'a.B.m', making),
    marshalResult(wire, false, 'a.B.m', making),
  ]
  const [compiled, interpreted] = [make('compiled'), make('interpreted')]
  return compiled.map((one, i) => [one, interpreted[i]!])
}

function values({ value }: Sample): unknown[] {
  return [{ before: 1, value, after: 2 }, value]
}

/** What came of it: a value and how far the reader got, or the code of the error. */
function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (thrown) {
    assert.ok(thrown instanceof BusbarError, String(thrown))
    return thrown.code
  }
}

function write(marshaller: Marshaller, value: unknown, little: boolean): unknown {
  return outcome(() => {
    const writer = new Writer(little)
    marshaller.write(writer, value, noRefs)
    assert.ok(marshaller.measure(value) >= writer.length, 'measured too little')
    return Buffer.from(writer.finish()).toString('hex')
  })
}

function read(marshaller: Marshaller, stub: Uint8Array, little: boolean): unknown {
  return outcome(() => {
    const reader = new Reader(stub, little)
    return [marshaller.read(reader, noRefs), reader.at]
  })
}

const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff)), { maxLength: 3 })

/** Arrays whose counts are the parameters around them. */
const counted: readonly Type[] = [
  idl.bytes({ size: 'before' }),
  idl.bytes({ size: 'after' }),
  idl.bytes({ size: 'after', length: 'before' }),
  idl.bytes({ fixed: 3, length: 'after' }),
  t.optional(idl.bytes({ size: 'before', length: 'after' })),
  idl.box(idl.bytes({ size: 'after' })),
]

describe('compiled and interpreted marshallers', () => {
  test('write the same bytes and read the same values', () => {
    fc.assert(
      fc.property(samples, fc.boolean(), (sample, little) => {
        for (const [i, [compiled, interpreted]] of twins(sample.type).entries()) {
          const value = values(sample)[i]
          const written = write(compiled, value, little)
          assert.equal(written, write(interpreted, value, little))
          assert.match(String(written), /^([0-9a-f]{2})*$/)
          const stub = new Uint8Array(Buffer.from(String(written), 'hex'))
          assert.deepEqual(read(compiled, stub, little), [value, stub.length])
          assert.deepEqual(read(interpreted, stub, little), [value, stub.length])
        }
      }),
      { seed: 11, numRuns: 600, endOnFailure: true },
    )
  })

  test('refuse the same bytes with the same code, and make the same of the others', () => {
    fc.assert(
      fc.property(samples, fc.boolean(), damage, fc.nat(), (sample, little, edits, cut) => {
        for (const [i, [compiled, interpreted]] of twins(sample.type).entries()) {
          const stub = encode(interpreted, values(sample)[i], little).slice()
          for (const [at, byte] of edits) stub[at % stub.length] = byte
          const kept = stub.subarray(0, cut % 4 === 0 ? cut % (stub.length + 1) : stub.length)
          assert.deepEqual(read(compiled, kept, little), read(interpreted, kept, little))
        }
      }),
      { seed: 12, numRuns: 600, endOnFailure: true },
    )
  })

  test('make the same of counts, pointers and discriminants that lie', () => {
    const lie = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff))
    fc.assert(
      fc.property(samples, fc.boolean(), fc.array(lie, { minLength: 1, maxLength: 3 }), (sample, little, lies) => {
        for (const [i, [compiled, interpreted]] of twins(sample.type).entries()) {
          const stub = encode(interpreted, values(sample)[i], little).slice()
          const view = new DataView(stub.buffer)
          const words = Math.floor(stub.length / 4)
          for (const [at, word] of words === 0 ? [] : lies) view.setUint32((at % words) * 4, word, little)
          assert.deepEqual(read(compiled, stub, little), read(interpreted, stub, little))
        }
      }),
      { seed: 14, numRuns: 1_000, endOnFailure: true },
    )
  })

  test('make the same of any bytes', () => {
    const octet = fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 3), fc.nat(0xff))
    const stubs = fc.array(octet, { maxLength: 80 }).map((octets) => new Uint8Array(octets))
    fc.assert(
      fc.property(samples, fc.boolean(), stubs, ({ type }, little, stub) => {
        for (const [compiled, interpreted] of twins(type)) {
          assert.deepEqual(read(compiled, stub, little), read(interpreted, stub, little))
        }
      }),
      { seed: 15, numRuns: 600, endOnFailure: true },
    )
  })

  test('compare counts of parameters, before and behind the array', () => {
    const octet = fc.uint8Array({ maxLength: 3 })
    fc.assert(
      fc.property(
        octet,
        fc.nat(3),
        fc.nat(3),
        fc.boolean(),
        fc.constantFrom(...counted),
        (value, before, after, little, type) => {
          const [compiled, interpreted] = twins(type)[0]!
          const whole = { before, value: type.node.kind === 'box' ? { value } : value, after }
          const written = write(interpreted, whole, little)
          assert.equal(write(compiled, whole, little), written)
          const truth = { before: value.length, value: whole.value, after: value.length }
          const stub = encode(interpreted, truth, little).slice()
          stub[0] = before
          assert.deepEqual(read(compiled, stub, little), read(interpreted, stub, little))
          stub[0] = value.length
          stub[stub.length - (little ? 2 : 1)] = after
          assert.deepEqual(read(compiled, stub, little), read(interpreted, stub, little))
        },
      ),
      { seed: 16, numRuns: 500, endOnFailure: true },
    )
  })

  test('compare discriminants with the siblings that repeat them', () => {
    const u = idl.union(t.uint8, { 1: t.uint8, 2: t.optional(t.uint16) }, { switchIs: 'k', fallback: t.void })
    const [compiled, interpreted] = twins(t.struct({ k: t.uint8, u }))[1]!
    for (const [k, label] of [0, 1, 2, 3].flatMap((one) => [1, 2, 3].map((other) => [one, other] as const))) {
      const value = { k, u: { case: label, value: label === 3 ? undefined : 5 } }
      const written = write(compiled, value, true)
      assert.equal(written, write(interpreted, value, true))
      assert.equal(written === 'BAD_VALUE', k !== label)
      const stub = encode(interpreted, { ...value, k: label }).slice()
      stub[0] = k
      assert.deepEqual(read(compiled, stub, true), read(interpreted, stub, true))
      assert.equal(read(compiled, stub, true) === 'MALFORMED', k !== label)
    }
  })

  test('an array in an arm is compared with the count beside the union', () => {
    const arm = idl.union(t.uint8, { 3: t.optional(idl.bytes({ size: 'n' })) })
    const marshaller = reply(t.struct({ n: t.uint8, u: arm }))
    const stub = encode(marshaller, { n: 2, u: { case: 3, value: new Uint8Array(2) } }).slice()
    stub[0] = 1
    assert.throws(() => marshaller.read(new Reader(stub), noRefs), { code: 'MALFORMED' })
  })

  test('refuse the same values with the same code', () => {
    const wrong = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withTypedArray: true,
      withNullPrototype: true,
    })
    fc.assert(
      fc.property(samples, samples, wrong, ({ type }, other, anything) => {
        for (const [i, [compiled, interpreted]] of twins(type).entries()) {
          for (const value of [other.value, anything]) {
            const whole = i === 0 ? { before: 1, value, after: 2 } : value
            assert.deepEqual(write(compiled, whole, true), write(interpreted, whole, true))
          }
        }
      }),
      { seed: 13, numRuns: 600, endOnFailure: true },
    )
  })

  test('references: given and taken once each, in the same order', () => {
    const File = contract('a.File', { version: '1.0' }, { m: method({}, t.void) })
    const type = t.struct({ name: t.string, files: t.array(t.struct({ f: t.ref(File), o: t.optional(t.ref(File)) })) })
    const value = {
      name: 'n',
      files: [
        { f: 'one', o: undefined },
        { f: 'two', o: 'three' },
      ],
    }
    const [both] = contract('a.B', { version: '1.0' }, { m: method({}, type) }).procedures
    const results = (['compiled', 'interpreted'] as const).map((making) =>
      marshalResult(wireOfOperation(both!), false, 'a.B.m', making),
    )
    const made = results.map((marshaller) => {
      const seen: unknown[] = []
      const port = {
        give: (_: unknown, given: unknown) => {
          seen.push(given)
          return Buffer.from(String(given))
        },
        take: (_: unknown, taken: Uint8Array) => {
          seen.push(Buffer.from(taken).toString())
          return Buffer.from(taken).toString()
        },
      }
      const stub = encode(marshaller, value, true, port)
      assert.deepEqual(marshaller.read(new Reader(stub), port), value)
      return [Buffer.from(stub).toString('hex'), seen]
    })
    assert.deepEqual(made[0], made[1])
    assert.deepEqual(made[0]?.[1], ['one', 'two', 'three', 'one', 'two', 'three'])
  })
})

describe('compiling', () => {
  test('text of a contract never becomes source text', () => {
    const evil = `x"'\`\\\n\u2028;throw 1//`
    const marshaller = reply(t.union('kind', { [evil]: { a: t.enumeration(evil, 'b') }, b: {} }))
    const value = { kind: evil, a: evil }
    assert.deepEqual(marshaller.read(new Reader(encode(marshaller, value)), noRefs), value)
    const wire = { kind: 'base', base: 'boolean', size: 1, as: 'boolean' } as const
    for (const name of [evil, '__proto__', 'a.b', 'a"]; throw 1; v["', '']) {
      const members = [{ name, type: wire }]
      assert.throws(() => compile({ members, pathOf: () => evil, path: evil }), { code: 'INTERNAL' })
    }
    assert.ok(compile({ members: [{ name: 'a', type: wire }], pathOf: () => evil, path: evil }))
  })

  test('a contract too large for it is interpreted', () => {
    const fields = Object.fromEntries(
      Array.from({ length: 900 }, (_, i) => [`f${i}`, t.struct({ a: t.string, b: t.guid, c: t.date })]),
    )
    const marshaller = reply(t.struct(fields))
    assert.deepEqual(marshaller.read(new Reader(encode(marshaller, marshaller.zero)), noRefs), marshaller.zero)
  })

  test('where it is forbidden, marshallers are interpreted: every type, with the same bytes', () => {
    const scalars = ['bool', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32', 'uint53', 'int64', 'uint64']
    const others = [
      'float32',
      'float64',
      'date',
      'guid',
      'char',
      'wchar',
      'status',
      'handle',
      'string',
      'bytes',
      'json',
    ]
    const made = ['enumeration', 'struct', 'array', 'map', 'variant', 'optional', 'ref', 'stream', 'void']
    const foreign = ['sequence', 'octets', 'text', 'union', 'pointer', 'box', 'out']
    const missing = [...scalars, ...others, ...made, ...foreign].filter((kind) => !kinds().has(kind))
    assert.deepEqual(missing, [])
    const program = `
      import { transcript } from ${JSON.stringify(new URL('./every-type.test.ts', import.meta.url).href)}
      let allowed = true
      try { new Function('return 1') } catch { allowed = false }
      console.log(JSON.stringify([allowed, ...transcript()]))`
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const flags = [
      '--disallow-code-generation-from-strings',
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      program,
    ]
    const { stdout, stderr } = spawnSync(process.execPath, flags, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
    assert.notEqual(stdout, '', stderr)
    assert.deepEqual(JSON.parse(stdout), [false, ...transcript()])
  })
})
