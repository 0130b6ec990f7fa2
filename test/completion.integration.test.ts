/** Completion as bash does it: the script that the built program prints, asked for a line as a person has typed it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BuiltBus, PROGRAM } from './built-bus.ts'

const SERVER = `
import { attach, contract, method, t } from 'busbar'
const Shelf = contract('test.Shelf', { version: '1.0' }, {
  put: method({ what: t.string }, t.void),
  count: method({}, t.uint32),
})
const Store = contract('test.Store', { version: '1.0' }, {
  open: method({ path: t.string, size: t.uint32 }, t.void),
  openAll: method({}, t.void),
  close: method({}, t.void),
  shelf: method({}, t.ref(Shelf)),
})
const bus = await attach()
await bus.offer(Store, { open() {}, openAll() {}, close() {}, shelf: () => ({ put() {}, count: () => 0 }) })
await bus.offer('upper', (pipe) => pipe.pipe(pipe))
console.log('ready')
`

let bus: BuiltBus

before(async () => {
  bus = await BuiltBus.make('completion', {
    'server.mjs': SERVER,
    'busbar.yaml': 'partitions:\n  server: { kind: process, run: [node, server.mjs] }\npolicy: []\n',
  })
  const bin = join(bus.directory, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'busbar'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`, { mode: 0o755 })
  bus.up()
  await bus.printed(/"line":"ready"/)
})
after(() => bus.remove())

function run(file: string, args: readonly string[], path = bus.socket): { stdout: string; stderr: string } {
  const env = { ...process.env, BUSBAR_SOCKET: path, PATH: `${join(bus.directory, 'bin')}:${process.env['PATH']}` }
  return spawnSync(file, args, { cwd: bus.directory, env, encoding: 'utf8' })
}

/** What bash would propose for the last of these words. */
function proposed(...words: string[]): string[] {
  const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const script = [
    'source <(busbar completion bash)',
    `COMP_WORDS=(busbar ${line}) COMP_CWORD=${words.length}`,
    '_busbar',
    `printf '%s\\n' "\${COMPREPLY[@]}"`,
  ].join('\n')
  const { stdout, stderr } = run('bash', ['--norc', '-c', script])
  assert.equal(stderr, '')
  return stdout.split('\n').filter((text) => text !== '')
}

describe('completion', () => {
  test('of commands and options', () => {
    assert.deepEqual(proposed('ca'), ['call', 'capture'])
    assert.ok(proposed('').length >= 8 && !proposed('').includes('__complete'))
    assert.deepEqual(proposed('call', '--d'), ['--deadline'])
    assert.deepEqual(proposed('pipe', 'server/upper', '--mode', ''), ['byte', 'message'])
    assert.deepEqual(proposed('completion', ''), ['bash', 'zsh', 'fish'])
    assert.deepEqual(proposed('constructor', ''), [])
  })

  test('of services, methods and arguments, from what the service says of itself', () => {
    assert.deepEqual(proposed('call', 'server/'), ['server/test.Store'])
    assert.deepEqual(proposed('pipe', 'server/').toSorted(), ['server/test.Store', 'server/upper'])
    assert.deepEqual(proposed('call', 'server/test.Store', ''), ['open', 'openAll', 'close', 'shelf'])
    assert.deepEqual(proposed('call', 'server/test.Store', 'open'), ['open', 'openAll'])
    assert.deepEqual(proposed('call', '--deadline', '100', 'server/test.Store', 'c'), ['close'])
    const [example] = proposed('call', 'server/test.Store', 'open', '')
    assert.equal(example, `'{"path":"text","size":1}'`)
    assert.deepEqual(proposed('call', 'server/test.Store', 'close', ''), [])
    assert.deepEqual(proposed('ls', 'server/test'), ['server/test.Store'])
  })

  test('of the methods of an object that a method gives', () => {
    const shelf = ['call', 'server/test.Store', 'shelf']
    assert.deepEqual(proposed(...shelf, ''), ['put', 'count'])
    assert.deepEqual(proposed(...shelf, 'c'), ['count'])
    assert.deepEqual(proposed(...shelf, 'put', ''), [`'{"what":"text"}'`])
    assert.deepEqual(proposed(...shelf, '{}', 'p'), ['put'])
    assert.deepEqual(proposed(...shelf, 'put', '{"what":"text"}', ''), [])
    assert.deepEqual(proposed(...shelf, 'count', ''), [])
  })

  test('other shells get what each is about, and fish no quotes', () => {
    const zsh = run('busbar', ['__complete', 'zsh', 'call', 'server/test.Store', 'op'])
    assert.equal(zsh.stdout, 'open\topen(path: string, size: uint32): nothing\nopenAll\topenAll(): nothing\n')
    const fish = run('busbar', ['__complete', 'fish', 'call', 'server/test.Store', 'open', ''])
    assert.match(fish.stdout, /^\{"path":"text","size":1\}\t/)
    for (const shell of ['bash', 'zsh', 'fish']) {
      assert.match(run('busbar', ['completion', shell]).stdout, new RegExp(`__complete ${shell} `))
    }
    assert.match(run('busbar', ['completion', 'csh']).stderr, /INVALID_ARGUMENT[^]*bash, zsh, fish/)
  })

  test('proposes nothing, and says nothing, where there is nothing', () => {
    for (const words of [
      ['call', 'server/no.Such', ''],
      ['call', 'no target', ''],
      ['call', 'server/upper', ''],
      ['nope', ''],
    ]) {
      assert.deepEqual(proposed(...words), [])
    }
    const nobody = run('busbar', ['__complete', 'bash', 'call', ''], join(bus.directory, 'nobody.sock'))
    assert.deepEqual([nobody.stdout, nobody.stderr], ['', ''])
  })
})
