import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { decode, encode, hex } from '../ndr/harness.test.ts'
import { samples } from '../ndr/samples.test.ts'
import { type Contract, contract } from './contract.ts'
import { contractsWithin, describeContracts } from './describe.ts'
import { contractsFrom } from './describe-read.ts'
import { method } from './method.ts'
import type { Procedure } from './procedure.ts'
import { t } from './t.ts'
import type { Json, TypeNode } from './type.ts'

const { idl } = t

const File = contract(
  'files.File',
  { version: '1.0' },
  { read: method({ length: t.uint32 }, t.bytes, { idempotent: true }) },
)
const Folder: Contract = contract(
  'files.Folder',
  { version: '2.3' },
  {
    open: method({ path: t.string, mode: t.optional(t.enumeration('read', 'read write')) }, t.ref(File)),
    list: method({ path: t.string }, t.stream(t.struct({ name: t.string, file: t.optional(t.ref(File)) }))),
    parent: method(
      {},
      t.ref((): Contract => Folder),
    ),
    find: method({ name: t.string }, t.array(t.ref(File)), { opnum: 7 }),
    close: method({}, t.void),
  },
)
/** What the samples have not: results of plain functions, handles, discriminants with a rest, shapes of all forms. */
const Plain = contract(
  'hand.Made',
  { version: '1.2', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01' },
  {
    use: method(
      {
        handle: idl.handle,
        n: t.uint16,
        both: idl.array(t.int32, { size: 'n / 2', length: 'n' }),
        told: idl.union(t.uint16, { 1: t.uint32, 3: t.void }, { switchIs: 'n', fallback: t.void }),
        tells: idl.union(t.int32, { 1: t.uint32, [-2]: t.struct({ x: t.string }) }),
        named: idl.union(t.enumeration('a', 'b'), { b: t.uint8 }),
        constant: idl.bytes({ size: '1000', length: true }),
      },
      idl.out({ handle: idl.handle, said: idl.string(16, { size: true, length: true }) }, idl.status),
    ),
  },
)

/** As it arrives: through text, and no object shared with what was described. */
function overTheWire(description: Json): unknown {
  return JSON.parse(JSON.stringify(description))
}

function again(...contracts: Contract[]): Contract[] {
  return contractsFrom(overTheWire(describeContracts(contracts)))
}

describe('a description', () => {
  test('holds all that can be reached, each once, and what the object implements first', () => {
    assert.deepEqual(
      contractsWithin([Folder, Plain]).map(({ name }) => name),
      ['files.Folder', 'hand.Made', 'files.File'],
    )
    assert.deepEqual(
      again(Folder, Plain).map(({ name }) => name),
      ['files.Folder', 'hand.Made'],
    )
  })

  test('is written for people too', () => {
    const { schemaVersion, contracts } = describeContracts([File]) as { schemaVersion: number; contracts: Json[] }
    assert.equal(schemaVersion, 1)
    assert.deepEqual(contracts, [
      {
        name: 'files.File',
        version: '1.0',
        uuid: File.uuid,
        methods: [
          { name: 'read', number: 0, idempotent: true, args: [{ name: 'length', type: 'uint32' }], result: 'bytes' },
        ],
      },
    ])
  })

  test('makes the same contract: identity, numbers, options, types, streams', () => {
    for (const original of [File, Folder, Plain]) {
      const [made] = again(original)
      assert.ok(made !== undefined)
      assert.deepEqual(
        [made.name, made.version, made.uuid, made.major, made.minor],
        [original.name, original.version, original.uuid, original.major, original.minor],
      )
      assert.deepEqual(describeContracts([made]), describeContracts([original]))
      for (const [i, procedure] of original.procedures.entries()) {
        const other: Procedure | undefined = made.procedures[i]
        assert.deepEqual(
          [other?.name, other?.number, other?.path, other?.pull?.uuid, other?.options.idempotent],
          [procedure.name, procedure.number, procedure.path, procedure.pull?.uuid, procedure.options.idempotent],
        )
      }
    }
    const parent = again(Folder)[0]?.procedures[2]?.result as Extract<TypeNode, { kind: 'ref' }>
    assert.equal(parent.contract().uuid, Folder.uuid)
  })

  test('of any type: the bytes of any value are the same', () => {
    fc.assert(
      fc.property(samples, ({ type, value }) => {
        const original = contract('any.Type', { version: '1.0' }, { m: method({ it: type }, type) }).procedures[0]
        const made = again(contract('any.Type', { version: '1.0' }, { m: method({ it: type }, type) }))[0]
          ?.procedures[0]
        assert.ok(original !== undefined && made !== undefined)
        for (const little of [true, false]) {
          const sent = encode(original.request, { it: value }, little)
          assert.equal(hex(encode(made.request, { it: value }, little)), hex(sent))
          assert.deepEqual(decode(made.request, sent, little), decode(original.request, sent, little))
          assert.equal(hex(encode(made.reply, value, little)), hex(encode(original.reply, value, little)))
        }
      }),
      { seed: 8, numRuns: 300 },
    )
  })
})

/** The description of `Folder`, with something in it changed. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const whole = overTheWire(describeContracts([Folder]))
  let place = whole as Record<string | number, unknown>
  for (const step of path.slice(0, -1)) place = place[step] as Record<string | number, unknown>
  Object.defineProperty(place, path.at(-1) ?? '', { value, enumerable: true, configurable: true, writable: true })
  return whole
}

function refused(description: unknown, code: string, about = /./): void {
  assert.throws(
    () => contractsFrom(description),
    (thrown) => thrown instanceof BusbarError && thrown.code === code && about.test(thrown.message),
  )
}

describe('what a peer says in a description', () => {
  const first = ['contracts', 0] as const
  const method0 = [...first, 'methods', 0] as const

  test('another form is another version', () => {
    refused(changed(['schemaVersion'], 2), 'VERSION', /form number; this side reads 1/)
    refused({}, 'VERSION')
  })

  test('parts that are not what they should be are named', () => {
    for (const [path, value, about] of [
      [['contracts'], {}, /^contracts: object in place of a list/],
      [['implements', 0], File.uuid.toUpperCase(), /^implements\[0\]: a contract that is not described/],
      [[...first, 'name'], 7, /^contracts\[0\]\.name: number in place of a text/],
      [[...first, 'name'], 'no name', /^contracts\[0\]: contract "no name"/],
      [[...first, 'version'], '2', /is not "major\.minor"/],
      [[...first, 'uuid'], Folder.uuid.toUpperCase(), /a contract that is not described/],
      [[...first, 'uuid'], File.uuid, /one UUID for two/],
      [[...first, 'methods'], [], /no methods/],
      [[...method0, 'name'], 'then', /"then" means something to JavaScript/],
      [[...method0, 'name'], '__proto__', /"__proto__" means something/],
      [[...method0, 'number'], -1, /opnum -1/],
      [[...method0, 'number'], '0', /opnum 0|not as it would/],
      [[...method0, 'idempotent'], 'yes', /methods\.0: not as it would be described/],
      [[...method0, 'more'], 1, /methods\.0: not as it would be described/],
      [[...method0, 'result'], 'string?', /string\?|in place of an object/],
      [[...method0, 'result'], { kind: 'ref', contract: 'x' }, /a contract that is not described/],
      [[...method0, 'result'], { kind: 'constructor' }, /a type of kind "constructor"/],
      [[...method0, 'result'], { kind: 'enumeration', names: [] }, /at least one/],
      [[...method0, 'result'], { kind: 'map', key: 'float64', value: 'bool' }, /a key is/],
      [[...method0, 'args', 0, 'name'], 'prototype\u0000', /is not a name/],
      [[...method0, 'args', 0, 'type'], 'void', /t\.void/],
      [[...method0, 'args', 1, 'name'], 'path', /not as it would be described/],
    ] as const) {
      refused(changed(path, value), 'MALFORMED', about)
    }
  })

  test('a UUID is written as UUIDs are', () => {
    const text = JSON.stringify(describeContracts([File])).replaceAll(File.uuid, File.uuid.toUpperCase())
    refused(JSON.parse(text), 'MALFORMED', /^contracts\[0\]\.uuid: not written as/)
  })

  test('no name reaches a prototype', () => {
    const polluted = JSON.parse(
      '{"schemaVersion":1,"implements":[],"contracts":[{"__proto__":{"name":"a.B"},"version":"1.0","methods":[]}]}',
    ) as unknown
    refused(polluted, 'MALFORMED')
    refused(changed([...method0, '__proto__'], { polluted: true }), 'MALFORMED')
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  })

  test('sizes are bounded', () => {
    let deep: unknown = 'bool'
    for (let i = 0; i < 5000; i++) deep = { kind: 'array', item: deep }
    const many = <T>(length: number, one: (i: number) => T): T[] => Array.from({ length }, (_, i) => one(i))
    const wide = { kind: 'enumeration', names: many(32_768, (i) => `n${i}`) }
    const named = (type: unknown) => (i: number) => ({ name: `a${i}`, type })
    const fixed = (item: unknown) => ({ kind: 'sequence', item, shape: { fixed: 65_536 } })
    for (const [path, value] of [
      [['implements'], many(257, () => Folder.uuid)],
      [['contracts'], many(257, () => ({}))],
      [[...first, 'methods'], many(4097, (i) => ({ name: `m${i}`, number: i, args: [], result: 'void' }))],
      [[...method0, 'result'], deep],
      [[...method0, 'args'], many(70_000, named('bool'))],
      [[...method0, 'args'], many(3, named(wide))],
      [[...method0, 'args'], many(17, named(fixed('bool')))],
    ] as const) {
      refused(changed(path, value), 'LIMIT')
    }
    refused(changed([...method0, 'args'], many(1001, named('bool'))), 'MALFORMED', /at most 1000/)
    refused(changed([...first, 'name'], 'a'.repeat(101)), 'MALFORMED', /101 characters/)
  })

  test('whatever it is, the answer is contracts that work or one of the codes', () => {
    const whole = overTheWire(describeContracts([Folder, Plain])) as Record<string, unknown>
    const places: (string | number)[][] = []
    const walk = (value: unknown, path: (string | number)[]): void => {
      places.push(path)
      if (typeof value !== 'object' || value === null) return
      for (const key of Object.keys(value)) walk((value as Record<string, unknown>)[key], [...path, key])
    }
    walk(whole, [])
    const kinds = ['void', 'bool', 'struct', 'ref', 'stream', 'out', 'union', 'box', 'text', 'octets', '__proto__']
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(...kinds),
      fc.constantFrom(0, 1, -1, 65_536, true),
    )
    let worked = 0
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...places.slice(1)), values), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const given = structuredClone(whole)
          for (const [path, value] of changes) {
            let place: unknown = given
            for (const step of path.slice(0, -1)) place = Object(place)[step]
            if (typeof place === 'object' && place !== null) Object.assign(place, { [path.at(-1) ?? '']: value })
          }
          try {
            for (const { procedures } of contractsFrom(given))
              for (const one of procedures) assert.ok(one.request && one.reply)
            worked++
          } catch (thrown) {
            assert.ok(thrown instanceof BusbarError, String(thrown))
            assert.ok(['MALFORMED', 'LIMIT', 'VERSION'].includes(thrown.code), thrown.stack)
          }
        },
      ),
      { seed: 9, numRuns: 3000 },
    )
    assert.ok(worked > 10, `only ${worked} of the changed descriptions were contracts`)
  })
})
