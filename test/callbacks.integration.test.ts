/** Callbacks and references between partitions that are real processes, through the real broker. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const CONTRACTS = `
import { contract, method, t } from 'busbar'
export const Listener = contract('test.Listener', { version: '1.0' }, {
  notify: method({ text: t.string }, t.string),
  hang: method({}, t.void),
})
export const Board = contract('test.Board', { version: '1.0' }, {
  put: method({ listener: t.ref(Listener) }, t.string),
  get: method({}, t.ref(Listener)),
})
`
/** Has no permission to open anything. */
const BOARD = `
import { attach } from 'busbar'
import { Board } from './contracts.mjs'
const bus = await attach()
let keep
const kept = new Promise((resolve) => { keep = resolve })
await bus.offer(Board, {
  put: ({ listener }, { caller }) => {
    keep(listener)
    return listener.notify({ text: 'called back by ' + bus.partition + ' for ' + caller.partition })
  },
  get: () => kept,
})
`
const FIRST = `
import { attach } from 'busbar'
import { Board } from './contracts.mjs'
const bus = await attach()
const listener = {
  notify: ({ text }, { caller }) => text + ', heard from ' + caller.partition,
  hang: () => new Promise(() => {}),
}
const board = await bus.activate(Board, { in: 'board', wait: true })
console.log(await board.put({ listener }))
console.log('home: ' + ((await board.get()) === listener))
console.log('pid: ' + process.pid)
await bus.closed
`
const THIRD = `
import { attach } from 'busbar'
import { Board } from './contracts.mjs'
const bus = await attach()
const board = await bus.activate(Board, { in: 'board', wait: true })
const held = await board.get()
console.log(await held.notify({ text: 'called by ' + bus.partition }))
const hanging = held.hang()
await held.notify({ text: 'it hangs' })
console.log('hanging')
console.log(await hanging.catch((error) => 'ended with ' + error.code))
console.log(await held.notify({ text: '' }).catch((error) => 'then ' + error.code))
`
const CONFIG = `
partitions:
  board: { kind: process, run: [node, board.mjs] }
  first: { kind: process, run: [node, first.mjs] }
  third: { kind: process, run: [node, third.mjs] }
policy:
  - { allow: [first, third], to: board, service: test.Board }
`

let directory: string
let bus: ChildProcess
let said = ''
let heard: (() => void)[] = []

/** Settles when the bus has said something that matches. */
async function line(pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = pattern.exec(said)
    if (found !== null) return found
    if (bus.exitCode !== null) throw new Error(`the bus ended without ${String(pattern)}: ${said}`)
    await new Promise<void>((resolve) => heard.push(resolve))
  }
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-callbacks-'))
  await mkdir(join(directory, 'node_modules'))
  await symlink(root, join(directory, 'node_modules/busbar'))
  const files = { 'contracts.mjs': CONTRACTS, 'board.mjs': BOARD, 'first.mjs': FIRST, 'third.mjs': THIRD }
  for (const [name, text] of Object.entries({ ...files, 'busbar.yaml': CONFIG })) {
    await writeFile(join(directory, name), text)
  }
  bus = spawn(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'up', '--socket', join(directory, 'bus.sock'), '--json'],
    {
      cwd: directory,
    },
  )
  const hear = (text: string): void => {
    said += text
    for (const each of heard.splice(0)) each()
  }
  bus.stdout?.setEncoding('utf8').on('data', hear)
  bus.stderr?.setEncoding('utf8').on('data', hear)
  bus.once('exit', () => hear(''))
})

after(async () => {
  heard = []
  bus.kill('SIGTERM')
  if (bus.exitCode === null) await once(bus, 'exit')
  await rm(directory, { recursive: true, force: true })
})

test('a callback reaches a process that offers nothing, a third one calls it, and hears when it is killed', {
  timeout: 120_000,
}, async () => {
  await line(/called back by board for first, heard from board/)
  await line(/home: true/)
  await line(/called by third, heard from board/)
  await line(/"hanging"/)
  const [, pid] = await line(/pid: (\d+)/)
  process.kill(Number(pid), 'SIGKILL')
  await line(/ended with PEER_DIED/)
  await line(/then PEER_DIED/)
})
