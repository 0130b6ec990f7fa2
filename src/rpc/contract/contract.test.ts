import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import type { Client, Implementation, Promised } from './call.ts'
import { contract, type Methods } from './contract.ts'
import { method } from './method.ts'
import { numbersOf, procedureAt } from './procedure.ts'
import { t } from './t.ts'
import type { Given, Stream, Taken, Type } from './type.ts'

const File = contract(
  'files.File',
  { version: '1.0' },
  { read: method({ offset: t.uint53, length: t.uint32 }, t.bytes), close: method({}, t.void) },
)
const Entry = t.struct({ name: t.string, size: t.optional(t.uint53) })
const FileStore = contract(
  'files.FileStore',
  { version: '1.2' },
  {
    stat: method({ path: t.string }, t.struct({ size: t.uint53, modified: t.date })),
    open: method({ path: t.string, mode: t.optional(t.enumeration('read', 'write')) }, t.ref(File)),
    list: method({ path: t.string }, t.stream(Entry)),
  },
)

function refused(declare: () => unknown, about: RegExp): void {
  assert.throws(
    declare,
    (thrown) => thrown instanceof BusbarError && thrown.code === 'INVALID_ARGUMENT' && about.test(thrown.message),
  )
}

function withMethods(methods: Methods): () => unknown {
  return () => contract('a.B', { version: '1.0' }, methods)
}

describe('identity', () => {
  test('the identifier follows from name and major version, and stays', () => {
    assert.equal(FileStore.uuid, '91646c6a-fba1-57f6-952d-fdfd388689e4')
    const again = contract('files.FileStore', { version: '1.9' }, { x: method({}, t.void) })
    assert.equal(again.uuid, FileStore.uuid)
    const next = contract('files.FileStore', { version: '2.0' }, { x: method({}, t.void) })
    assert.notEqual(next.uuid, FileStore.uuid)
    assert.notEqual(File.uuid, FileStore.uuid)
  })

  test('it can be given', () => {
    const uuid = '5B1C1F0E-8A77-4F37-9A3D-2F5F4F6D1C01'
    assert.equal(contract('a.B', { version: '1.0', uuid }, { x: method({}, t.void) }).uuid, uuid.toLowerCase())
    refused(() => contract('a.B', { version: '1.0', uuid: 'x' }, { x: method({}, t.void) }), /not a GUID/)
  })

  test('methods are numbered in the order of declaration', () => {
    assert.deepEqual(
      FileStore.procedures.map(({ name, number, path }) => [name, number, path]),
      [
        ['stat', 0, 'files.FileStore.stat'],
        ['open', 1, 'files.FileStore.open'],
        ['list', 2, 'files.FileStore.list'],
      ],
    )
    assert.deepEqual([FileStore.major, FileStore.minor], [1, 2])
  })

  test('a method can be pinned: those behind it follow, those left out are holes', () => {
    const one = method({}, t.void)
    const pinned = contract(
      'a.B',
      { version: '1.0' },
      { a: one, b: method({}, t.void, { opnum: 4 }), c: one, d: method({}, t.void, { opnum: 9 }) },
    )
    assert.deepEqual(
      pinned.procedures.map(({ name, number }) => [name, number]),
      [
        ['a', 0],
        ['b', 4],
        ['c', 5],
        ['d', 9],
      ],
    )
    assert.equal(numbersOf(pinned.procedures), 10)
    const found = Array.from({ length: 12 }, (_, number) => procedureAt(pinned.procedures, number)?.name ?? '-')
    assert.equal(found.join(''), 'a---bc---d--')
    assert.equal(procedureAt(pinned.procedures, -1), undefined)
  })

  test('numbers found by halving are those of the list', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 30 }), (opnums) => {
        const sorted = opnums.toSorted((a, b) => a - b)
        const methods = Object.fromEntries(sorted.map((opnum) => [`m${opnum}`, method({}, t.void, { opnum })]))
        const { procedures } = contract('a.B', { version: '1.0' }, methods)
        for (let number = 0; number < 64; number++) {
          assert.equal(procedureAt(procedures, number)?.name, sorted.includes(number) ? `m${number}` : undefined)
        }
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  test('a stream has an interface of its own, named after where it stands', () => {
    const pull = FileStore.procedures[2]?.pull
    assert.equal(pull?.name, 'files.FileStore.list')
    assert.notEqual(pull?.uuid, FileStore.uuid)
    assert.equal(FileStore.procedures[0]?.pull, undefined)
  })
})

describe('what a contract refuses', () => {
  test('names', () => {
    for (const name of ['', 'a b', 'a..B', '1a', 'a.B;', 'ü', `a.${'b'.repeat(100)}`]) {
      refused(() => contract(name, { version: '1.0' }, { x: method({}, t.void) }), /contract/)
    }
    for (const name of ['__proto__', 'constructor', 'then', 'toString', 'toJSON', 'a-b', '1', '', 'x'.repeat(101)]) {
      refused(withMethods({ [name]: method({}, t.void) }), /contract a\.B/)
      refused(withMethods({ x: method({ [name]: t.uint8 }, t.void) }), /method x/)
      refused(() => t.struct({ [name]: t.uint8 }), /t\.struct/)
    }
  })

  test('versions', () => {
    for (const version of ['1', '1.0.0', 'a.b', '1.65536', '-1.0', '']) {
      refused(() => contract('a.B', { version }, { x: method({}, t.void) }), /version/)
    }
  })

  test('numbers that go back, twice, or past what an opnum can be', () => {
    const one = method({}, t.void)
    for (const opnum of [0, -1, 1.5, Number.NaN, 65_533, '2' as unknown as number]) {
      refused(withMethods({ a: one, b: method({}, t.void, { opnum }) }), /method b: opnum .* from 1 to 65532/)
    }
    refused(withMethods({ a: method({}, t.void, { opnum: 65_532 }), b: one }), /method b: opnum 65533/)
  })

  test('types where they cannot be', () => {
    refused(withMethods({}), /no methods/)
    refused(withMethods({ x: method({ a: t.void }, t.void) }), /t\.void/)
    refused(withMethods({ x: method({ a: t.idl.ref(t.ref(File)) }, t.void) }), /a reference cannot/)
    refused(withMethods({ x: method({}, t.idl.box(t.ref(File))) }), /a reference cannot/)
    refused(withMethods({ x: method({ a: t.array(t.stream(t.bytes)) }, t.void) }), /whole result/)
    refused(withMethods({ x: method({}, t.array(t.stream(t.bytes))) }), /whole result/)
    refused(withMethods({ x: method({}, t.optional(t.optional(t.bool))) }), /optional/)
    refused(withMethods({ x: method({}, t.array(t.void)) }), /t\.void/)
    refused(withMethods({ x: method({}, undefined as unknown as Type) }), /method/)
    refused(withMethods({ x: method({ a: 'string' as unknown as Type }, t.void) }), /expected a type/)
    refused(() => t.struct({}), /at least one/)
    refused(() => t.enumeration('a', 'a'), /twice/)
    let deep: Type = t.bool
    for (let i = 0; i < 40; i++) deep = t.array(deep)
    refused(withMethods({ x: method({}, deep) }), /deeper/)
  })

  test('a contract may refer to itself', () => {
    const Folder = contract(
      'a.Folder',
      { version: '1.0' },
      {
        parent: method(
          {},
          t.ref((): typeof File => File),
        ),
      },
    )
    assert.ok(Folder.procedures[0]?.reply.refs)
  })

  test('what is declared cannot be changed afterwards', () => {
    assert.ok(Object.isFrozen(FileStore) && Object.isFrozen(t) && Object.isFrozen(t.string.node))
  })
})

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

test('types are inferred', () => {
  const checks: [
    Same<Taken<typeof Entry>, { name: string; size?: number | undefined }>,
    Same<Given<typeof t.date>, Date>,
    Same<Parameters<Client<typeof FileStore>['stat']>[0], { path: string }>,
    Same<Awaited<ReturnType<Client<typeof FileStore>['stat']>>, { size: number; modified: Date }>,
    Same<ReturnType<Client<typeof FileStore>['list']>, Stream<{ name: string; size?: number | undefined }>>,
    Same<Awaited<ReturnType<Client<typeof FileStore>['open']>>, Client<typeof File>>,
    Same<ReturnType<Client<typeof FileStore>['open']>, Promised<Client<typeof File>>>,
    Same<ReturnType<ReturnType<Client<typeof FileStore>['open']>['read']>, Promise<Uint8Array>>,
    Same<Parameters<Client<typeof FileStore>['open']>[0]['mode'], 'read' | 'write' | undefined>,
    Same<Parameters<Client<typeof File>['close']>['length'], 0 | 1 | 2>,
  ] = [true, true, true, true, true, true, true, true, true, true]
  assert.ok(checks.every(Boolean))

  const implementation: Implementation<typeof FileStore> = {
    stat: ({ path }) => ({ size: path.length, modified: new Date(0) }),
    open: ({ mode }, { caller }) => ({
      read: ({ length }) => new Uint8Array(length),
      close: () => assert.ok(mode === undefined && caller.partition),
    }),
    async *list({ path }) {
      yield { name: path, size: 1 }
      yield { name: 'no size' }
    },
  }
  assert.ok(implementation)
  const passedOn = (proxy: Client<typeof File>): Implementation<typeof File> => proxy
  assert.ok(passedOn)
  // @ts-expect-error a method of the contract is missing
  const incomplete: Implementation<typeof File> = { close() {} }
  assert.ok(incomplete)
})
