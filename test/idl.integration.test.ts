/** `busbar idl` as a person uses it: the built program on modules of theirs. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { installed, PROGRAM, ROOT } from './built-bus.ts'

const TYPED = `
import { type Client, contract, method, t } from 'busbar'
export const Adder = contract('test.Adder', { version: '2.1' }, {
  add: method({ a: t.uint32, b: t.uint32 }, t.uint32),
})
export function sum(adder: Client<typeof Adder>): Promise<number> {
  return adder.add({ a: 1, b: 2 })
}
`
const PLAIN = `
import { contract, method, t } from 'busbar'
export const Echo = contract('rpcecho', { version: '1.0', uuid: '60a15ec5-4de8-11d7-a637-005056a20182' }, {
  addOne: method({ in_data: t.uint32 }, t.idl.out({ out_data: t.uint32 })),
})
`

/** A module with one contract. */
function module(version: string, methods: string): string {
  return `
import { contract, method, t } from 'busbar'
export const Adder = contract('test.Adder', { version: '${version}' }, { ${methods} })
`
}

let directory: string

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function idl(args: readonly string[], nodeOptions = ''): Outcome {
  const env = { ...process.env, NODE_OPTIONS: nodeOptions }
  return spawnSync(process.execPath, [PROGRAM, 'idl', ...args], { cwd: directory, env, encoding: 'utf8' })
}

describe('busbar idl', () => {
  before(async () => {
    directory = await installed('idl')
    await symlink(join(ROOT, 'node_modules/tsx'), join(directory, 'node_modules/tsx'))
    await writeFile(join(directory, 'adder.ts'), TYPED)
    await writeFile(join(directory, 'echo.mjs'), PLAIN)
    await writeFile(join(directory, 'old.mjs'), module('1.2', 'add: method({ a: t.uint32, b: t.uint32 }, t.uint32)'))
    await writeFile(join(directory, 'broken.json'), '{"schemaVersion": 1, "contracts": "none"}')
    await writeFile(join(directory, 'nothing.mjs'), 'export const answer = 42\n')
  })
  after(() => rm(directory, { recursive: true, force: true }))

  test('reads TypeScript where Node does, and says what to do where it does not', () => {
    const { status, stdout, stderr } = idl(['adder.ts'])
    const reads = 'typescript' in process.features && process.features.typescript !== false
    if (reads) {
      assert.equal(status, 0, stderr)
      assert.match(stdout, /interface test_Adder : IUnknown/)
    } else {
      assert.equal(status, 1)
      assert.equal(stdout, '')
      assert.match(stderr, /adder\.ts cannot be loaded[^]*Node 22\.18[^]*NODE_OPTIONS="--import tsx" in front of/)
    }
  })

  test('what it says to do helps', () => {
    const { status, stdout, stderr } = idl(['adder.ts'], '--import tsx')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^import "unknwn\.idl";\n/)
    assert.match(
      stdout,
      /\[object, uuid\([0-9a-f-]{36}\), pointer_default\(unique\)\]\ninterface test_Adder : IUnknown\n/,
    )
    assert.match(
      stdout,
      /HRESULT add\(\n +\[in\] unsigned long a,\n +\[in\] unsigned long b,\n +\[out\] unsigned long \*result\n/,
    )
  })

  test('a contract for an existing interface is plain RPC, with its version', () => {
    const { stdout } = idl(['echo.mjs'])
    assert.match(
      stdout,
      /\[uuid\(60a15ec5-4de8-11d7-a637-005056a20182\), version\(1\.0\), pointer_default\(unique\)\]\ninterface rpcecho\n/,
    )
    assert.match(stdout, /void addOne\(\n +\[in\] unsigned long in_data,\n +\[out\] unsigned long \*out_data\n/)
  })

  test('programs get JSON', () => {
    const { stdout } = idl(['echo.mjs', '--json'])
    const { schemaVersion, interfaces } = JSON.parse(stdout) as {
      schemaVersion: number
      interfaces: { form: string; version: string; operations: { opnum: number }[] }[]
    }
    assert.equal(schemaVersion, 1)
    assert.deepEqual(
      [interfaces[0]?.form, interfaces[0]?.version, interfaces[0]?.operations[0]?.opnum],
      ['plain', '1.0', 0],
    )
  })

  test('mistakes say what they are', () => {
    for (const [args, found] of [
      [['nothing.mjs'], /nothing\.mjs exports no contract/],
      [['missing.mjs'], /missing\.mjs cannot be loaded/],
      [['echo.mjs', '--json', '--wireshark'], /name one of them/],
      [['diff', 'echo.mjs'], /expected FILE, or diff OLD NEW/],
      [['diff', 'echo.mjs', 'nothing.mjs'], /nothing\.mjs exports no contract/],
      [['diff', 'broken.json', 'echo.mjs'], /broken\.json cannot be loaded[^]*contracts: "none" in place of a list/],
    ] as const) {
      const { status, stderr } = idl(args)
      assert.equal(status, 1)
      assert.match(stderr, found)
    }
    assert.equal(idl([]).status, 2)
  })

  describe('diff', () => {
    const add = 'add: method({ a: t.uint32, b: t.uint32 }, t.uint32)'
    const append = `${add}, negate: method({ a: t.int32 }, t.int32)`
    const against = async (version: string, methods: string, ...more: string[]): Promise<Outcome> => {
      await writeFile(join(directory, 'new.mjs'), module(version, methods))
      return idl(['diff', 'old.mjs', 'new.mjs', ...more])
    }

    test('status 0: a method appended, with the minor version that it needs', async () => {
      const { status, stdout } = await against('1.3', append)
      assert.equal(stdout, 'test.Adder 1.2 -> 1.3: compatible\n  + negate: added at the end, number 1\n')
      assert.equal(status, 0)
    })

    test('status 1: the version that it needs is missing', async () => {
      const { status, stdout } = await against('1.2', append)
      assert.match(stdout, /^test\.Adder 1\.2: compatible\n.*\n {2}needs version 1\.3\n$/)
      assert.equal(status, 1)
    })

    test('status 1: old callers would be misread; the words and the data say where', async () => {
      const wider = 'add: method({ a: t.uint53, b: t.uint32 }, t.uint32)'
      const { status, stdout } = await against('1.3', wider)
      assert.match(
        stdout,
        /: not compatible\n {2}! add, argument a: was uint32, is uint53\n {2}needs version 2\.0, with 1\.2 beside/,
      )
      assert.equal(status, 1)
      const data = await against('1.3', wider, '--json')
      assert.equal(data.status, 1)
      const { schemaVersion, compatible, contracts } = JSON.parse(data.stdout) as {
        schemaVersion: number
        compatible: boolean
        contracts: { name: string; differences: unknown[] }[]
      }
      assert.deepEqual([schemaVersion, compatible, contracts[0]?.name], [1, false, 'test.Adder'])
      const difference = { where: 'add, argument a', what: 'was uint32, is uint53', effect: 'major' }
      assert.deepEqual(contracts[0]?.differences, [difference])
    })

    test('a description that was kept stands for the old module', async () => {
      const { stdout } = idl(['old.mjs', '--description'])
      await writeFile(join(directory, 'released.json'), stdout)
      assert.equal(idl(['diff', 'released.json', 'old.mjs']).stdout, 'test.Adder 1.2: no differences\n')
      assert.equal(idl(['diff', 'old.mjs', 'released.json']).status, 0)
    })
  })
})
