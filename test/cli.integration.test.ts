/** The command line as a person uses it: the built program, run as a process. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BuiltBus, PROGRAM } from './built-bus.ts'

let bus: BuiltBus

interface Outcome {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

async function busbar(args: readonly string[], input = ''): Promise<Outcome> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: bus.directory,
    env: { ...process.env, BUSBAR_SOCKET: bus.socket },
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, out, err }
}

const SERVER = `
import { attach } from 'busbar'
import { DiskFileStore, FileStore } from 'busbar/services'
import { Adder } from './adder.mjs'
const bus = await attach()
await bus.offer(FileStore, new DiskFileStore('.'))
await bus.offer(Adder, {
  add: ({ a, b }) => a + b,
  within: async function* ({ path, how = 'none' }) { yield path; yield how },
  fail: () => { throw Object.assign(new Error('\\u001b[31mno'), { code: 'EMINE' }) },
  later: ({ when, data }) => ({ when: new Date(when.getTime() + 1000), data, big: 2n ** 60n }),
})
await bus.offer('upper', async (pipe) => {
  for await (const chunk of pipe.iterator({ destroyOnReturn: false })) pipe.write(chunk.toString().toUpperCase())
  pipe.end()
})
console.log('ready')
`
const ADDER = `
import { contract, method, t } from 'busbar'
export const Adder = contract('test.Adder', { version: '1.0' }, {
  add: method({ a: t.uint32, b: t.uint32 }, t.uint32),
  fail: method({}, t.void),
  within: method({ path: t.string, how: t.optional(t.enumeration('fast', 'slow')) }, t.stream(t.string)),
  later: method({ when: t.date, data: t.bytes }, t.struct({ when: t.date, data: t.bytes, big: t.uint64 })),
})
`
const CONFIG = `
partitions:
  server: { kind: process, run: [node, server.mjs] }
policy:
  - { allow: server, to: server, service: upper }
`

before(async () => {
  bus = await BuiltBus.make('cli', { 'server.mjs': SERVER, 'adder.mjs': ADDER, 'busbar.yaml': CONFIG })
  bus.up()
  await bus.printed(/"line":"ready"/)
})
after(() => bus.remove())

describe('help and mistakes', () => {
  test('without a command it helps and fails; with --help it helps', async () => {
    const none = await busbar([])
    assert.equal(none.status, 2)
    assert.match(none.out, /busbar up/)
    assert.equal((await busbar(['--help'])).status, 0)
    const call = await busbar(['call', '--help'])
    assert.match(call.out, /Examples:[\s\S]*Options:[\s\S]*--deadline MS/)
    assert.match((await busbar(['--version'])).out, /^\d+\.\d+\.\d+\n$/)
  })

  test('a wrong command line is status 2 and says where to look', async () => {
    for (const args of [['nope'], ['constructor'], ['ls', '--nope'], ['call', 'one'], ['pipe']]) {
      const { status, err, out } = await busbar(args)
      assert.equal(status, 2, args.join(' '))
      assert.match(
        err,
        /^error: busbar.* \(BUS-1001 INVALID_ARGUMENT\)\n {2}→ command line: .*\n[^]* {2}→ see `busbar.* --help`\n$/,
      )
      assert.equal(out, '')
    }
  })

  test('errors have one shape: header, cause with its stage, hint', async () => {
    const { status, err } = await busbar(['up', 'missing.yaml'])
    assert.equal(status, 1)
    assert.match(err, /^error: busbar up missing\.yaml \(BUS-8001 CONFIG\)\n {2}→ config: .*missing\.yaml.*\n/)
    await writeFile(
      join(bus.directory, 'broken.yaml'),
      'partitions:\n  web: { kind: qemo }\npolicy:\n  - { alow: web }\n',
    )
    const broken = await busbar(['up', 'broken.yaml'])
    assert.equal(broken.status, 1)
    assert.match(broken.err, /broken\.yaml:2:\d+: .*qemo/)
    assert.match(broken.err, /broken\.yaml:4:\d+: .*alow/)
    const none = await busbar(['ls', '--socket', join(bus.directory, 'nobody.sock')])
    assert.equal(none.status, 1)
    assert.match(none.err, /BUS-\d{4}/)
  })

  test('--json gives errors as data too', async () => {
    const { status, out } = await busbar(['call', 'server/test.Nothing', 'x', '--json'])
    assert.equal(status, 1)
    const { error } = JSON.parse(out) as { error: { id: string; code: string } }
    assert.equal(error.code, 'NO_SUCH_SERVICE')
  })
})

describe('on a bus', () => {
  test('ls shows partitions and services, as a table and as JSON', async () => {
    const { out } = await busbar(['ls'])
    assert.match(out, /^PARTITION +KIND +STATE/)
    assert.match(out, /^server +process +attached +1 /m)
    assert.match(out, /^SERVICE +MODE +CONTRACT +WHO MAY CALL$/m)
    assert.match(out, /^server\/busbar\.FileStore +byte +busbar\.FileStore@1\.0 +only the operator$/m)
    assert.match(out, /^server\/upper +byte +a plain stream +server \(rule 1\)$/m)
    const report = JSON.parse((await busbar(['ls', '--json'])).out) as {
      schemaVersion: number
      bus: { offers: unknown[] }
    }
    assert.equal(report.schemaVersion, 1)
    assert.ok(report.bus.offers.length >= 3)
  })

  test('call gives JSON; values that JSON lacks have a form', async () => {
    const contract = ['--contract', 'adder.mjs']
    assert.equal((await busbar(['call', 'server/test.Adder', 'add', '{"a": 2, "b": 3}', ...contract])).out, '5\n')
    assert.equal((await busbar(['call', 'server/test.Adder', 'add', '-', ...contract], '{"a": 2, "b": 3}')).out, '5\n')
    const later = await busbar([
      'call',
      'server/test.Adder',
      'later',
      '{"when": "2026-01-01T00:00:00Z", "data": "AQI="}',
      ...contract,
    ])
    assert.deepEqual(JSON.parse(later.out), {
      when: '2026-01-01T00:00:01.000Z',
      data: 'AQI=',
      big: '1152921504606846976',
    })
    const listed = await busbar(['call', 'server/busbar.FileStore', 'list', '{"path": "/"}'])
    assert.ok(listed.out.split('\n').some((line) => line.includes('"adder.mjs"')))
  })

  test('call works with what the service says of itself, and with a module that says otherwise', async () => {
    assert.equal((await busbar(['call', 'server/test.Adder', 'add', '{"a": 2, "b": 3}'])).out, '5\n')
    const stream = await busbar(['call', 'server/test.Adder', 'within', '{"path": "/x", "how": "slow"}'])
    assert.equal(stream.out, '"/x"\n"slow"\n')
    await writeFile(
      join(bus.directory, 'newer.mjs'),
      ADDER.replace('  fail', '  spare: method({}, t.void, { opnum: 9 }),\n  fail'),
    )
    const newer = await busbar(['call', 'server/test.Adder', 'spare', '--contract', 'newer.mjs'])
    assert.match(newer.err, /NOT_IN_CONTRACT/)
    assert.equal(
      (await busbar(['call', 'server/test.Adder', 'add', '{"a": 2, "b": 3}', '--contract', 'newer.mjs'])).out,
      '5\n',
    )
  })

  test('call goes on to the object that a call gives', async () => {
    const target = 'server/busbar.FileStore'
    const open = ['open', '{"path": "/adder.mjs"}']
    const read = ['read', '{"offset": 1, "length": 6}']
    const { out, err, status } = await busbar(['call', target, ...open, ...read])
    assert.deepEqual([status, out, err], [0, `${JSON.stringify(Buffer.from('import').toString('base64'))}\n`, ''])
    const alone = await busbar(['call', target, ...open])
    assert.equal(alone.out, '{"object":"busbar.File"}\n')
    assert.match(alone.err, /write its method and arguments behind those:\n {2}read\(/)
    for (const [words, said] of [
      [[...open, 'raed'], /NOT_IN_CONTRACT[^]*busbar\.File [\d.]+ has no method "raed"[^]*did you mean "read"\?/],
      [['stat', '{"path": "/"}', ...read], /BAD_VALUE[^]*"stat" gives .*, and no object to call "read" on/],
      [[...open, 'read', '{"offset": 0}'], /argument length: is missing/],
      [['open', '{"path": "/nothing"}', ...read], /ENOENT/],
    ] as const) {
      const wrong = await busbar(['call', target, ...words])
      assert.deepEqual([wrong.status, wrong.out], [1, ''], words.join(' '))
      assert.match(wrong.err, said)
    }
  })

  test('a description that was kept stands for the module', async () => {
    const { out } = await busbar(['idl', 'adder.mjs', '--description'])
    await writeFile(join(bus.directory, 'adder.json'), out)
    const kept = await busbar(['call', 'server/test.Adder', 'add', '{"a": 2, "b": 3}', '--contract', 'adder.json'])
    assert.equal(kept.out, '5\n')
    const missing = await busbar(['call', 'server/busbar.FileStore', 'list', '--contract', 'adder.json'])
    assert.match(missing.err, /NO_SUCH_INTERFACE[^]*no contract "busbar\.FileStore" here; adder\.json has test\.Adder/)
  })

  test('wrong arguments: which one, what was given, what is wanted, an example', async () => {
    for (const [args, said] of [
      [['subtract'], /NOT_IN_CONTRACT[^]*test\.Adder 1\.0 has no method "subtract"; it has add, fail, within, later/],
      [['ad'], /NOT_IN_CONTRACT[^]*did you mean "add"\?/],
      [['add', '{"a": 1, "c": 2}'], /BAD_VALUE[^]*argument c: is not known; there are a, b/],
      [['add', '{"a": 1, "b": "x"}'], /argument b: found "x", expected uint32, for example 1/],
      [['add', '{"a": 1}'], /argument b: is missing: expected uint32/],
      [['add'], /argument a: is missing[^]*it takes add\(a: uint32, b: uint32\): uint32/],
      [['add', '{"a": -1, "b": 1}'], /busbar call server\/test\.Adder add '\{"a":1,"b":1\}'/],
      [['add', '[1, 2]'], /found \[1,2\], expected an object with a, b/],
      [['within', '{"path": "/", "how": "slwo"}'], /expected one of "fast", "slow"/],
      [['add', '{a: 1}'], /the arguments are not JSON/],
    ] as const) {
      const { status, err, out } = await busbar(['call', 'server/test.Adder', ...args])
      assert.equal(status, 1, args.join(' '))
      assert.match(err, said)
      assert.equal(out, '')
    }
  })

  test('failing components, and targets that are none, are told apart', async () => {
    const failing = await busbar(['call', 'server/test.Adder', 'fail'])
    assert.equal(failing.status, 1)
    assert.match(failing.err, /FAULT/)
    assert.match(failing.err, /EMINE/)
    assert.ok(!failing.err.includes('\u001b'), 'what a component says cannot reach the terminal as it is')
    assert.match((await busbar(['call', 'nowhere/test.Adder', 'add'])).err, /NO_SUCH_PARTITION/)
    const stream = await busbar(['call', 'server/upper', 'add'])
    assert.match(stream.err, /NO_SUCH_INTERFACE[^]*server\/upper is a plain stream[^]*busbar pipe server\/upper/)
  })

  test('ls of a service shows its contracts, versions and methods, as a table and as JSON', async () => {
    const { out } = await busbar(['ls', 'server/test.Adder'])
    assert.match(out, /^test\.Adder 1\.0 {2}[0-9a-f-]{36}\n/)
    assert.match(out, /^ {2}0 {2}add\(a: uint32, b: uint32\): uint32$/m)
    assert.match(out, /^ {2}2 {2}within\(path: string, how\?: one of "fast", "slow"\): stream of string$/m)
    const { source, description } = JSON.parse((await busbar(['ls', 'server/test.Adder', '--json'])).out) as {
      source: string
      description: { contracts: { name: string; methods: { number: number }[] }[] }
    }
    assert.deepEqual([source, description.contracts[0]?.name], ['the service', 'test.Adder'])
    const own = await busbar(['ls', 'server/busbar.FileStore'])
    assert.match(own.out, /busbar\.FileStore \d+\.\d+/)
  })

  test('pipe joins standard input and output, and half-closes', async () => {
    const { status, out } = await busbar(['pipe', 'server/upper'], 'over the bus')
    assert.deepEqual([status, out], [0, 'OVER THE BUS'])
    const { err } = await busbar(['pipe', 'server/upper', '--mode', 'message'], 'x')
    assert.match(err, /WRONG_MODE/)
  })
})
