/** Callbacks and references between partitions that are real processes, through the real broker. */
import { after, before, test } from 'node:test'
import { BuiltBus } from './built-bus.ts'

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

let bus: BuiltBus

before(async () => {
  bus = await BuiltBus.make('callbacks', {
    'contracts.mjs': CONTRACTS,
    'board.mjs': BOARD,
    'first.mjs': FIRST,
    'third.mjs': THIRD,
    'busbar.yaml': CONFIG,
  })
  bus.up()
})
after(() => bus.remove())

test('a callback reaches a process that offers nothing, a third one calls it, and hears when it is killed', {
  timeout: 120_000,
}, async () => {
  await bus.printed(/called back by board for first, heard from board/)
  await bus.printed(/home: true/)
  await bus.printed(/called by third, heard from board/)
  await bus.printed(/"hanging"/)
  const [, pid] = await bus.printed(/pid: (\d+)/)
  process.kill(Number(pid), 'SIGKILL')
  await bus.printed(/ended with PEER_DIED/)
  await bus.printed(/then PEER_DIED/)
})
