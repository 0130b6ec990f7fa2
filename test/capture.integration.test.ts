/** What crosses a real bus, captured by the built program, read by Wireshark with a dissector that it printed. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { BuiltBus, PROGRAM } from './built-bus.ts'

const present = spawnSync('tshark', ['--version']).error === undefined
const skip = present || process.env['CI'] !== undefined ? false : 'tshark is not installed'

const CONTRACTS = `
import { contract, method, t } from 'busbar'
export const Note = contract('test.Note', { version: '1.0' }, {
  read: method({ length: t.uint32 }, t.bytes),
})
export const Desk = contract('test.Desk', { version: '1.0' }, {
  open: method({ title: t.string, copies: t.optional(t.uint16) }, t.ref(Note)),
  list: method({}, t.stream(t.struct({ title: t.string, made: t.date }))),
  fail: method({ shape: t.union('kind', { square: { side: t.float64 }, none: {} }) }, t.void),
})
`
const SERVER = `
import { attach } from 'busbar'
import { Desk } from './contracts.mjs'
const bus = await attach()
await bus.offer(Desk, {
  open: () => ({ read: ({ length }) => new Uint8Array(length).fill(7) }),
  async *list() { for (const title of ['one', 'two']) yield { title, made: new Date(0) } },
  fail: () => { throw Object.assign(new Error('on purpose'), { code: 'EPURPOSE' }) },
})
await bus.offer('upper', async (pipe) => {
  for await (const chunk of pipe.iterator({ destroyOnReturn: false })) pipe.write(chunk.toString().toUpperCase())
  pipe.end()
})
`
/** Makes its calls, keeps its proxy, and calls once more whenever somebody opens its pipe. */
const CLIENT = `
import { attach } from 'busbar'
import { Desk } from './contracts.mjs'
const bus = await attach()
const desk = await bus.activate(Desk, { in: 'server', wait: true })
const note = await desk.open({ title: 'first "of" all', copies: 3 }, { deadline: 60_000 })
console.log('read', (await note.read({ length: 300_000 })).length)
for await (const { title } of desk.list()) console.log('listed', title)
await desk.fail({ shape: { kind: 'square', side: 2.5 } }).catch((error) => console.log('failed', error.code))
await note[Symbol.asyncDispose]()
const pipe = await bus.open('server/upper', { wait: true })
pipe.end('plain bytes')
for await (const chunk of pipe) console.log('heard', chunk.toString())
await bus.offer('again', async (pipe) => {
  await desk.open({ title: 'once more' })
  pipe.end('called')
})
console.log('done')
`
const CONFIG = `
partitions:
  server: { kind: process, run: [node, server.mjs] }
  web: { kind: process, run: [node, client.mjs] }
  thief: { kind: process, run: [node, thief.mjs] }
policy:
  - { allow: web, to: server, service: [test.Desk, upper] }
  - { allow: thief, to: host, service: busbar.Capture }
`
/** Policy lets it open the pipe, by mistake; it is not the operator all the same. */
const THIEF = `
import { attach, contract, method, t } from 'busbar'
const Running = contract('busbar.RunningCapture', { version: '1.0' }, { pieces: method({}, t.void), stop: method({}, t.void) })
const Capture = contract('busbar.Capture', { version: '1.0' }, {
  start: method({ partition: t.optional(t.string), service: t.optional(t.string) }, t.ref(Running)),
})
const bus = await attach()
const capture = await bus.activate(Capture, { in: 'host', wait: true })
await capture.start({}).then(() => console.log('took it'), (error) => console.log('refused', error.code))
`

let bus: BuiltBus
let directory: string

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

function tshark(file: string, ...args: string[]): string {
  return execFileSync('tshark', ['-r', join(directory, file), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  })
}

/** Starts the bus and waits until its client has made its calls. */
async function startBus(...options: string[]): Promise<void> {
  bus.up(...options)
  await bus.printed(/"line":"done"/)
}

before(async () => {
  const files = { 'contracts.mjs': CONTRACTS, 'server.mjs': SERVER, 'client.mjs': CLIENT, 'thief.mjs': THIEF }
  bus = await BuiltBus.make('capture', { ...files, 'busbar.yaml': CONFIG })
  directory = bus.directory
})
after(() => bus.remove())

describe('a capture of a real bus', { skip }, () => {
  before(async () => {
    assert.ok(present, 'tshark is required where CI is set: apt-get install tshark')
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'idl', '--wireshark', 'contracts.mjs'], {
      cwd: directory,
    })
    await writeFile(join(directory, 'contracts.lua'), stdout)
    await startBus('--capture', 'all.pcapng')
  })
  after(() => bus.down())

  test('only the operator may capture, whatever policy says', async () => {
    await bus.printed(/"line":"refused DENIED"/)
  })

  test('a running bus is captured until Ctrl-C, and the counts are those of the file', async () => {
    const { socket } = bus
    const args = [PROGRAM, 'capture', '-w', 'late.pcapng', '--service', 'test.Desk', '--json', '--socket', socket]
    const capture = spawn(process.execPath, args, { cwd: directory })
    let out = ''
    let err = ''
    capture.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    await new Promise<void>((resolve, reject) => {
      capture.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text
        if (err.includes('capturing to late.pcapng')) resolve()
      })
      capture.once('exit', () => reject(new Error(err)))
    })
    const again = spawnSync(process.execPath, [PROGRAM, 'pipe', 'web/again', '--socket', socket], {
      input: '',
      encoding: 'utf8',
    })
    assert.equal(again.stdout, 'called')
    capture.kill('SIGINT')
    assert.equal(await ended(capture), 0, err)
    assert.match(err, /captured 3 packets with \d+ B in 1 pipe\n$/)
    const counts = JSON.parse(out) as Record<string, unknown>
    assert.deepEqual(
      { ...counts, bytes: 0 },
      {
        schemaVersion: 1,
        file: 'late.pcapng',
        pipes: 1,
        packets: 3,
        bytes: 0,
        dropped: 0,
        droppedBytes: 0,
      },
    )
    const lua = ['-X', `lua_script:${join(directory, 'contracts.lua')}`]
    const text = tshark('late.pcapng', ...lua, '-V')
    assert.doesNotMatch(text, /malformed/i)
    // The bind was before the capture: the interface is found by what fits.
    assert.match(text, /request: test\.Desk\.open \(interface guessed\)\n[^]*?title: "once more"\n/)
    assert.match(text, /response: test\.Desk\.open \(interface guessed\)\n/)
    const file = join(directory, 'late.pcapng')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  test('standard output takes it too, and a filter leaves the rest out', async () => {
    const args = [PROGRAM, 'capture', '-w', '-', '--partition', 'nobody', '--socket', bus.socket]
    const capture = spawn(process.execPath, args, { cwd: directory })
    const chunks: Buffer[] = []
    const begun = once(capture.stdout, 'data')
    capture.stdout.on('data', (chunk: Buffer) => void chunks.push(chunk))
    await begun
    capture.kill('SIGINT')
    assert.equal(await ended(capture), 0)
    await writeFile(join(directory, 'none.pcapng'), Buffer.concat(chunks))
    assert.equal(tshark('none.pcapng'), '')
  })

  test('a file that is there stays, unless told to replace it', async () => {
    const file = join(directory, 'mine.txt')
    await writeFile(file, 'mine')
    const args = [PROGRAM, 'capture', '-w', 'mine.txt', '--socket', bus.socket]
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /mine\.txt exists[^]*another name/)
    const up = spawnSync(
      process.execPath,
      [PROGRAM, 'up', '--socket', join(directory, 'other.sock'), '--capture', 'mine.txt'],
      {
        cwd: directory,
        env: { ...process.env, XDG_RUNTIME_DIR: directory },
        encoding: 'utf8',
      },
    )
    assert.equal(up.status, 1)
    assert.match(up.stderr, /mine\.txt exists/)
    assert.equal(await readFile(file, 'utf8'), 'mine')
  })

  test('Wireshark reads the whole of it, with our names for interfaces, methods and values', async () => {
    assert.equal(await bus.down(), 0, bus.err)
    assert.match(bus.err, /captured \d+ packets with .* to all\.pcapng/)
    assert.equal((await stat(join(directory, 'all.pcapng'))).mode & 0o777, 0o600)
    const plain = tshark('all.pcapng', '-V')
    assert.doesNotMatch(plain, /malformed|unreassembled|not captured/i)
    // The bus stopped with pipes open: that they broke is all there is to warn of.
    const warnings = [...plain.matchAll(/\[Expert Info \((?:Error|Warn)[^)]*\): (.*)\]/g)].map(([, what]) => what)
    assert.deepEqual([...new Set(warnings)], ['Connection reset (RST)'])
    // Not one port had to be named: heuristics find DCE/RPC.
    assert.match(plain, /Distributed Computing Environment/)

    const lua = ['-X', `lua_script:${join(directory, 'contracts.lua')}`]
    const text = tshark('all.pcapng', ...lua, '-V', '-O', 'busbar', '-Y', 'busbar')
    assert.doesNotMatch(text, /Cannot be decoded|malformed|Lua Error/i)
    for (const found of [
      /request: busbar\.Activator\.activate\n[^]*?classId: /,
      /request: test\.Desk\.open\n[^]*?Deadline: \d+ ms\n\s+title: "first "of" all"\n\s+copies: 3\n/,
      /response: test\.Desk\.open\n[^]*?result: reference to test\.Note\n/,
      /request: test\.Note\.read\n[^]*?length: 300000\n/,
      /response: test\.Note\.read\n[^]*?result: 300000 bytes\n/,
      /response: test\.Desk\.list\.next\n[^]*?\[0\]\n\s+title: "one"\n\s+made: 1970-01-01T00:00:00\.000Z\n/,
      /request: test\.Desk\.fail\n[^]*?shape: case square\n[^]*?side: 2\.5\n/,
      /response: test\.Desk\.fail\n[^]*?Error: BUS-5004 Error EPURPOSE on purpose\n/,
      /request: IRemUnknown\.RemRelease\n/,
    ]) {
      assert.match(text, found)
    }
    const summary = tshark(
      'all.pcapng',
      ...lua,
      '-N',
      'n',
      '-Y',
      'busbar.method == "read" && busbar.direction == "request"',
    )
    assert.match(summary, /web → server .*test\.Note\.read/)
    const requests = tshark('all.pcapng', ...lua, '-Y', 'dcerpc.pkt_type == 0 && !busbar')
    assert.equal(requests, '', 'every request has a name')
    const heardBytes = tshark('all.pcapng', '-Y', 'tcp.payload && !dcerpc', '-T', 'fields', '-e', 'tcp.payload')
    assert.match(heardBytes, new RegExp(Buffer.from('plain bytes').toString('hex')))
    assert.match(heardBytes, new RegExp(Buffer.from('PLAIN BYTES').toString('hex')))
  })
})

describe('a capture that is slow', () => {
  before(() => startBus())
  after(() => bus.down())

  test('holds nobody up; what is missing is counted', async () => {
    const { socket } = bus
    const args = [PROGRAM, 'capture', '-w', 'slow.pcapng', '--service', 'upper', '--json', '--socket', socket]
    const capture = spawn(process.execPath, args, { cwd: directory })
    let out = ''
    capture.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    await new Promise<void>((resolve, reject) => {
      capture.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('capturing to')) resolve()
      })
      capture.once('exit', () => reject(new Error('the capture ended')))
    })
    capture.kill('SIGSTOP')
    const input = 'a'.repeat(40_000_000)
    const { stdout } = spawnSync(process.execPath, [PROGRAM, 'pipe', 'server/upper', '--socket', socket], {
      input,
      maxBuffer: 1 << 28,
      encoding: 'utf8',
    })
    assert.equal(stdout.length, input.length, 'the pipe went on')
    capture.kill('SIGCONT')
    capture.kill('SIGINT')
    assert.equal(await ended(capture), 0)
    const counts = JSON.parse(out) as { dropped: number; bytes: number; droppedBytes: number }
    assert.ok(counts.dropped > 0)
    assert.equal(counts.bytes + counts.droppedBytes, 2 * input.length)
    assert.ok((await stat(join(directory, 'slow.pcapng'))).size < 40_000_000)
  })
})
