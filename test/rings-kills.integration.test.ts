/**
 * Processes that kill themselves right before an access to memory that they share, in the middle of transfers on many channels: whoever is left hears why, has
 * got nothing that was not sent, and holds nothing of it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Broker, CarrierListener, type Channel, DialledCarrier, Endpoint } from '../src/bus/index.ts'
import { type ByteLink, memoryPair } from '../src/link/index.ts'
import { openChannel, Pipe } from '../src/pipe/index.ts'
import { descriptorsTo, heldRings, mappedRings } from '../src/testing/index.ts'
import { listenUnix, nodeEnv, RingAllocator, RingMedium } from '../src/transport/index.ts'
import { installed, ROOT } from './built-bus.ts'
import { FLOW, flow } from './rings/flow.ts'

/** `npm run ring:nightly` kills thousands of processes. */
const KILLS = process.env['RING_NIGHTLY'] === 'yes' ? 5_000 : 30
/** Channels between the two; each side opens half of them, and on each both send. */
const CHANNELS = 50
/** Bytes that have come over each of them before the other side may be killed: it is in the middle by then. */
const LEAST = 20_000
/** One of so many accesses that follow is the last. */
const POINTS = 3_000

/** What both do on each channel, once it is on rings: send a pattern in pieces of many sizes for ever. */
const VICTIM = `
import { writeSync } from 'node:fs'
import { DialledCarrier, Endpoint } from 'busbar/bus'
import { openChannel, Pipe } from 'busbar/pipe'
import { connectUnix, nodeEnv, RingMedium, RingPoller } from 'busbar/transport'
import { Block } from '${ROOT}dist/ring/index.js'
import { flow } from './flow.mjs'
const [, , path, window] = process.argv
let left = Number.POSITIVE_INFINITY
for (const name of ['load', 'store', 'get', 'put', 'copyIn', 'copyOut', 'view']) {
  const real = Block.prototype[name]
  Block.prototype[name] = function (...given) {
    if (--left === 0) {
      writeSync(1, name)
      process.kill(process.pid, 'SIGKILL')
    }
    return real.apply(this, given)
  }
}
const dial = () => connectUnix(path)
const rings = await RingMedium.load(new RingPoller(Number(window)))
const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env: nodeEnv(), rings })
await endpoint.offer('victim', {
  mode: 'byte',
  decide: (opening, caller) => void opening.accept(caller).then((channel) => channels.push(channel)),
})
const channels = []
const messages = {
  open: async (count) => {
    for (let i = 0; i < count; i++) channels.push(await openChannel(endpoint, 'keeper/keeper', { wait: true }))
  },
  flow: () => channels.forEach((channel) => void flow(new Pipe(channel), () => {})),
  points: (points) => { left = points },
}
process.on('message', ([what, number]) => void messages[what](number))
process.send('ready')
`

/** Numbers from a seed (mulberry32). */
function below(bound: number): number {
  seed = (seed + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound)
}
let seed = 5

/** This side of one channel. */
interface Flow {
  got: number
  /** What sending and reading failed with. */
  readonly ended: Promise<string[]>
}

function flowOf(channel: Channel): Flow {
  const all: Flow = {
    got: 0,
    ended: flow(new Pipe(channel), (got) => {
      all.got = got
    }),
  }
  return all
}

/** What this process holds of memory for rings, and of pipes that wake their sides. */
function held(): number {
  return descriptorsTo(/^pipe:|memfd/).size + mappedRings().length
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

let directory: string
let broker: Broker
let keeper: Endpoint
let arrived: (channel: Channel) => void = () => {}
const env = nodeEnv()
const closing: (() => unknown)[] = []

/** A partition over the socket of its name. */
function carriers(name: string): CarrierListener {
  return new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(name, carrier, { here: true }) })
}

async function start(name: string, window: number): Promise<{ name: string; child: ChildProcess; last: string[] }> {
  const child = fork(join(directory, 'victim.mjs'), [join(directory, name), `${window}`], {
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  closing.push(() => child.kill('SIGKILL'))
  const last: string[] = []
  child.stdout?.on('data', (name: Buffer) => last.push(name.toString()))
  await once(child, 'message')
  return { name, child, last }
}

before(async () => {
  directory = await installed('kills', { 'victim.mjs': VICTIM, 'flow.mjs': FLOW })
  const policy = { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true }
  broker = new Broker({ env, policy, rings: await RingAllocator.load() })
  closing.push(() => broker.close())
  for (const name of ['victim-0', 'victim-1']) {
    const listening = carriers(name)
    const listener = await listenUnix(join(directory, name), { onLink: (link) => listening.accept(link) })
    closing.push(() => listener[Symbol.asyncDispose]())
  }
  const here = carriers('keeper')
  const dial = async (): Promise<ByteLink> => {
    const [near, far] = memoryPair()
    here.accept(far)
    return near
  }
  keeper = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings: await RingMedium.load() })
  await keeper.offer('keeper', {
    mode: 'byte',
    decide: (opening, caller) => void opening.accept(caller).then((channel) => arrived(channel)),
  })
})

after(async () => {
  for (const close of closing.toReversed()) await close()
  await rm(directory, { recursive: true, force: true })
})

describe('processes on rings', () => {
  test(`${KILLS} that kill themselves before an access, on ${CHANNELS} channels each`, async (t) => {
    const last = new Map<string, number>()
    let bytes = 0
    // The next one starts meanwhile.
    let next = start('victim-0', 0.1)
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = await next
      next = start(`victim-${(kill + 1) % 2}`, kill % 2 === 0 ? 0 : 0.1)
      const before = held()
      const channels: Channel[] = []
      arrived = (channel) => channels.push(channel)
      victim.child.send(['open', CHANNELS / 2])
      for (let i = 0; i < CHANNELS / 2; i++) {
        channels.push(await openChannel(keeper, `${victim.name}/victim`, { wait: true }))
      }
      await until(() => channels.length === CHANNELS && channels.every(({ medium }) => medium === 'ring'))
      victim.child.send(['flow'])
      const flows = channels.map(flowOf)
      await until(() => flows.every(({ got }) => got >= LEAST))
      const exit = once(victim.child, 'close')
      const points = 1 + below(POINTS)
      victim.child.send(['points', points])
      assert.equal((await exit)[1], 'SIGKILL')
      const what = `kill ${kill}, at access ${points}`
      const codes = (await Promise.all(flows.map(({ ended }) => ended))).flat()
      assert.deepEqual([...new Set(codes)], ['PEER_DIED'], what)
      await until(() => held() <= before)
      for (const { got } of flows) bytes += got
      const [access = 'none'] = victim.last
      last.set(access, (last.get(access) ?? 0) + 1)
    }
    ;(await next).child.kill('SIGKILL')
    const kinds = [...last].map(([access, count]) => `${access} ${count}`).toSorted()
    t.diagnostic(
      `${KILLS} kills of ${2 * KILLS * CHANNELS} transfers, ${(bytes / 1e6).toFixed(0)} MB read; before ${kinds.join(', ')}`,
    )
    assert.ok(2 * KILLS * CHANNELS >= 3_000)
    assert.ok(last.size >= 4, 'they died before accesses of all kinds')
    // This process is the bus as well.
    assert.deepEqual(heldRings(), [])
  })
})
