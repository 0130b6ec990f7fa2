/** A reference goes from one real guest through a second to a third; then the second is killed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BusHost, openConfiguredHost } from '../src/host/index.ts'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { contract, method, t } from '../src/rpc/index.ts'

/** Towards the programs in the guests, which the host tells what to do. The same contracts are in `CONTRACTS`. */
const First = contract(
  'test.First',
  { version: '1.0' },
  { give: method({}, t.string), outcomes: method({}, t.stream(t.string)) },
)
const Third = contract(
  'test.Third',
  { version: '1.0' },
  { take: method({}, t.string), call: method({}, t.string), outcomes: method({}, t.stream(t.string)) },
)

const CONTRACTS = `
import { contract, method, t } from 'busbar'
export const Listener = contract('test.Listener', { version: '1.0' }, {
  notify: method({ text: t.string }, t.string),
  hang: method({}, t.void),
})
export const Board = contract('test.Board', { version: '1.0' }, {
  put: method({ listener: t.ref(Listener) }, t.string),
  get: method({}, t.ref(Listener)),
  hang: method({}, t.void),
  ping: method({}, t.void),
})
export const First = contract('test.First', { version: '1.0' }, {
  give: method({}, t.string),
  outcomes: method({}, t.stream(t.string)),
})
export const Third = contract('test.Third', { version: '1.0' }, {
  take: method({}, t.string),
  call: method({}, t.string),
  outcomes: method({}, t.stream(t.string)),
})
export const codeOf = (call) => call.then(() => 'nothing went wrong', ({ code }) => code ?? 'no code')
`
/** A: has the listener, and gives it to the board. */
const FIRST = `
import { attach } from 'busbar'
import { Board, codeOf, First } from './contracts.mjs'
const bus = await attach()
const listener = {
  notify: ({ text }, { caller }) => text + ', heard in ' + bus.partition + ' from ' + caller.partition,
  hang: () => new Promise(() => {}),
}
let board
await bus.offer(First, {
  give: async () => {
    board = await bus.activate(Board, { in: 'second', wait: true })
    return board.put({ listener })
  },
  async *outcomes() {
    const outcome = codeOf(board.hang())
    await board.ping()
    yield 'hanging'
    yield await outcome
    yield await codeOf(board.ping())
  },
})
await bus.closed
`
/** B: keeps the listener, and may open nothing. */
const SECOND = `
import { attach } from 'busbar'
import { Board } from './contracts.mjs'
const bus = await attach()
let kept
await bus.offer(Board, {
  put: ({ listener }, { caller }) => {
    kept = listener
    return listener.notify({ text: 'put by ' + caller.partition })
  },
  get: () => kept,
  hang: () => new Promise(() => {}),
  ping: () => {},
})
await bus.closed
`
/** C: takes the listener from the board and calls it. */
const THIRD = `
import { attach } from 'busbar'
import { Board, codeOf, Third } from './contracts.mjs'
const bus = await attach()
let held
await bus.offer(Third, {
  take: async () => {
    const board = await bus.activate(Board, { in: 'second', wait: true })
    held = await board.get()
    return held.notify({ text: 'taken by ' + bus.partition })
  },
  call: () => codeOf(held.notify({ text: 'again' })),
  async *outcomes() {
    const outcome = codeOf(held.hang())
    await held.notify({ text: 'the other call is there' })
    yield 'hanging'
    yield await outcome
    yield await codeOf(held.notify({ text: 'late' }))
  },
})
await bus.closed
`
const CONFIG = `
partitions:
${['first', 'second', 'third']
  .map(
    (name) => `  ${name}:
    kind: qemu
    files: [{ from: ${name}.mjs, to: /app/${name}.mjs }, { from: contracts.mjs, to: /app/contracts.mjs }]
    run: [node, /app/${name}.mjs]
`,
  )
  .join('')}
policy:
  - { allow: [first, third], to: second, service: test.Board }
`

/** How long a call may wait for a guest to boot, on a busy machine and under emulation, `ms`. */
const BOOT = 240_000

async function boot(host: BusHost, names: readonly string[]): Promise<number[]> {
  return Promise.all(
    names.map(async (name) => {
      await host.start(name)
      return host.attached(name)
    }),
  )
}

test('three guests', { timeout: 500_000 }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const directory = await mkdtemp(join(tmpdir(), 'busbar-three-'))
  const keepAlive = setInterval(() => {}, 1000)
  try {
    const files = { 'contracts.mjs': CONTRACTS, 'first.mjs': FIRST, 'second.mjs': SECOND, 'third.mjs': THIRD }
    for (const [name, text] of Object.entries({ ...files, 'busbar.yaml': CONFIG })) {
      await writeFile(join(directory, name), text)
    }
    await using host = await openConfiguredHost({
      file: join(directory, 'busbar.yaml'),
      logDirectory: join(directory, 'logs'),
      signal: context.signal,
    })
    const begun = performance.now()
    assert.deepEqual(await boot(host, ['first', 'second', 'third']), [1, 1, 1])
    const first = await host.bus.activate(First, { in: 'first', wait: true, deadline: BOOT })
    const third = await host.bus.activate(Third, { in: 'third', wait: true, deadline: BOOT })

    await context.test('a reference of the first, put on the second, is called by the third', async (t) => {
      assert.equal(await first.give(), 'put by first, heard in first from second')
      t.diagnostic(`three guests spoke after ${Math.round(performance.now() - begun)} ms`)
      // The first knows the one it gave the reference to, and nobody else: it is through the second that the third calls.
      assert.equal(await third.take(), 'taken by third, heard in first from second')
    })
    await context.test(
      'the second is killed: what hangs in it and through it fails, and every call after that',
      async (t) => {
        const outcomes = [third.outcomes(), first.outcomes()]
        for (const each of outcomes) assert.equal((await each.next()).value, 'hanging')
        const killed = performance.now()
        await host.kill('second')
        for (const each of outcomes) {
          // First the call that was under way, then one that was made afterwards.
          assert.equal((await each.next()).value, 'PEER_DIED')
          assert.equal((await each.next()).value, 'PEER_DIED')
          assert.equal((await each.next()).done, true)
        }
        t.diagnostic(`all of it had failed ${Math.round(performance.now() - killed)} ms after the kill`)
      },
    )
    await context.test('the second boots again: what was held stays dead, what is given anew works', async () => {
      assert.deepEqual(await boot(host, ['second']), [2])
      assert.equal(await first.give(), 'put by first, heard in first from second')
      assert.equal(await third.call(), 'PEER_DIED')
      assert.equal(await third.take(), 'taken by third, heard in first from second')
    })
  } finally {
    clearInterval(keepAlive)
    await rm(directory, { recursive: true, force: true })
  }
})
