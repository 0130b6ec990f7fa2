/** The judge is widl, the IDL compiler of Wine: what it refuses is not IDL. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { contract, method, t, type Type } from '../rpc/index.ts'
import { ByHand, File, FileStore } from './contracts.test.ts'
import { describe as describeContracts, printMidl } from './index.ts'

/** As Debian's mingw-w64-tools calls it, and as Wine does. */
const WIDL = ['x86_64-w64-mingw32-widl', 'widl'].find((name) => spawnSync(name, ['-V']).error === undefined)

/** What our output imports, as far as it uses it (MS-DCOM, appendix A). */
const UNKNWN = `
typedef struct _GUID { unsigned long a; unsigned short b; unsigned short c; unsigned char d[8]; } GUID;
typedef long HRESULT;
[object, uuid(00000000-0000-0000-c000-000000000046), pointer_default(unique)]
interface IUnknown
{
    HRESULT QueryInterface([in] GUID *riid, [out, iid_is(riid)] void **object);
    unsigned long AddRef();
    unsigned long Release();
}
`

describe('widl', {
  skip: WIDL !== undefined || process.env['CI'] !== undefined ? false : 'widl is not installed',
}, () => {
  let folder: string
  before(() => {
    assert.ok(WIDL !== undefined, 'widl is required where CI is set: apt-get install mingw-w64-tools')
    folder = mkdtempSync(join(tmpdir(), 'busbar-idl-'))
    writeFileSync(join(folder, 'unknwn.idl'), UNKNWN)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Compiles to a header and to marshalling code; gives the header. */
  function compile(midl: string): string {
    writeFileSync(join(folder, 'made.idl'), midl)
    for (const args of [
      ['-h', '-H', 'made.h'],
      ['-p', '-H', 'made.h', '-P', 'proxies.c'],
      ['-c', '-H', 'made.h', '-C', 'client.c'],
      ['-s', '-H', 'made.h', '-S', 'server.c'],
    ]) {
      try {
        execFileSync(WIDL ?? 'widl', ['-I.', ...args, 'made.idl'], { cwd: folder, stdio: 'pipe' })
      } catch (thrown) {
        assert.fail(`${(thrown as { stderr: Buffer }).stderr.toString()}\n${midl}`)
      }
    }
    return readFileSync(join(folder, 'made.h'), 'utf8')
  }

  test('takes every type as an interface of objects', () => {
    const header = compile(printMidl([FileStore]))
    assert.match(header, /91646c6a-fba1-57f6-952d-fdfd388689e4/i)
    assert.match(header, /interface files_FileStore_list/)
    for (const name of ['stat', 'open', 'list', 'scalars', 'nested']) assert.match(header, new RegExp(`\\*${name}\\)`))
  })

  test('takes every type of existing interfaces, as plain RPC', () => {
    const header = compile(printMidl([ByHand]))
    assert.match(header, /ULONG (__cdecl )?echo\(/)
    assert.match(header, /hand_Made_v1_2_c_ifspec/)
  })

  test('takes both in one file, and each form of the other', () => {
    compile(printMidl([FileStore, ByHand]))
    compile(printMidl([File], 'plain'))
  })

  test('takes whatever a contract can be', () => {
    const leaf = fc.constantFrom<Type[]>(
      ...[
        t.bool,
        t.int8,
        t.uint16,
        t.int32,
        t.uint53,
        t.int64,
        t.float32,
        t.float64,
        t.date,
        t.guid,
        t.string,
        t.bytes,
      ],
      t.json,
      t.enumeration('a', 'b c', '*/', 'int'),
      t.ref(File),
    )
    const name = fc.constantFrom('a', 'in', 'string', 'result', 'interface', 'boolean', 'x1', 'uuid')
    const { type } = fc.letrec<{ type: Type }>((tie) => ({
      type: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        leaf,
        tie('type').map((item) => t.array(item)),
        tie('type').map((item) => t.struct({ before: t.uint8, item, after: t.uint8 })),
        fc.dictionary(name, tie('type'), { minKeys: 1, maxKeys: 4 }).map((fields) => t.struct(fields)),
        tie('type').map((item) => (item.node.kind === 'optional' ? item : t.optional(item))),
      ),
    }))
    const plainLeaf = leaf.filter(({ node }) => node.kind !== 'ref')
    const methods = fc.dictionary(
      name,
      fc.record({ args: fc.dictionary(name, plainLeaf, { maxKeys: 3 }), result: type }),
      {
        minKeys: 1,
        maxKeys: 3,
      },
    )
    fc.assert(
      fc.property(methods, (list) => {
        const declared = Object.entries(list).map(([key, { args, result }]) => [key, method(args, result)])
        compile(printMidl([contract('any.Thing', { version: '1.0' }, Object.fromEntries(declared))]))
      }),
      { numRuns: 40, seed: 3 },
    )
  })
})

test('a method that has no number of its own follows the one in front of it', () => {
  const methods = { first: method({}, t.void, { opnum: 2 }), second: method({ x: t.uint8 }, t.void) }
  const gaps = contract('a.Gaps', { version: '3.1', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01' }, methods)
  assert.match(
    printMidl([contract('a.Gaps', { version: '3.1' }, methods)]),
    /: IUnknown\s+{\s+HRESULT Opnum3NotDeclared\(\);\s+HRESULT Opnum4NotDeclared\(\);\s+HRESULT first\(\);\s+HRESULT second\(/,
  )
  assert.match(
    printMidl([gaps]),
    /version\(3\.1\)[^]*void Opnum0NotDeclared\(void\);\s+void Opnum1NotDeclared\(void\);\s+void first\(void\);\s+void second\(/,
  )
})

test('the description names opnums, forms and types', () => {
  const { interfaces } = describeContracts([FileStore]) as {
    interfaces: {
      name: string
      form: string
      version: string
      operations: { name: string; opnum: number; out: unknown }[]
    }[]
  }
  assert.deepEqual(
    interfaces.map(({ name, form, version }) => [name, form, version]),
    [
      ['files.File', 'object', '0.0'],
      ['files.FileStore.list', 'object', '0.0'],
      ['files.FileStore', 'object', '0.0'],
    ],
  )
  const open = interfaces[2]?.operations[1]
  assert.deepEqual([open?.name, open?.opnum], ['open', 4])
  assert.deepEqual(open?.out, [{ name: 'result', type: { kind: 'interface', interface: File.uuid, optional: false } }])
})
