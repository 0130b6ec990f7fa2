/** `busbar idl` as a person uses it: the built program on modules of theirs. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'dist/cli/main.js')

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

let directory: string

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function idl(args: readonly string[], nodeOptions = ''): Outcome {
  const env = { ...process.env, NODE_OPTIONS: nodeOptions }
  return spawnSync(process.execPath, [main, 'idl', ...args], { cwd: directory, env, encoding: 'utf8' })
}

describe('busbar idl', () => {
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'busbar-idl-'))
    await mkdir(join(directory, 'node_modules'))
    await symlink(root, join(directory, 'node_modules/busbar'))
    await symlink(join(root, 'node_modules/tsx'), join(directory, 'node_modules/tsx'))
    await writeFile(join(directory, 'adder.ts'), TYPED)
    await writeFile(join(directory, 'echo.mjs'), PLAIN)
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
    ] as const) {
      const { status, stderr } = idl(args)
      assert.equal(status, 1)
      assert.match(stderr, found)
    }
    assert.equal(idl([]).status, 2)
  })
})
