import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type StartFailed, type StartHost, Starting } from './up-start.ts'

/** Lets the world go on for some macrotasks. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

function settled(work: Promise<unknown>): Promise<string> {
  const outcome = work.then(
    () => 'attached',
    (thrown: unknown) => (thrown as BusbarError).code,
  )
  return Promise.race([outcome, turns().then(() => 'waiting')])
}

/** A host whose partitions do what the test says; what is called `x...` somebody else starts. */
class ScriptedHost implements StartHost {
  readonly names: string[]
  readonly starts: string[] = []
  /** What the next attempts to start each partition come to; none left: it runs. */
  readonly faults = new Map<string, BusbarError[]>()
  readonly lose = new Map<string, (reason: BusbarError) => void>()
  readonly attach = new Map<string, (epoch: number) => void>()

  constructor(...names: string[]) {
    this.names = names
  }

  isExternal(name: string): boolean {
    return name.startsWith('x')
  }

  async start(name: string): Promise<Awaited<ReturnType<StartHost['start']>>> {
    this.starts.push(name)
    const fault = this.faults.get(name)?.shift()
    if (fault !== undefined) throw fault
    const lost = new Promise<BusbarError>((resolve) => this.lose.set(name, resolve))
    return { running: undefined, log: undefined, lost: this.isExternal(name) ? lost : undefined, detach: () => {} }
  }

  attached(name: string, signal?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      this.attach.set(name, resolve)
      signal?.addEventListener('abort', () => reject(new BusbarError('CANCELLED', 'stopped')))
    })
  }
}

function start(host: ScriptedHost): {
  starting: Starting
  told: StartFailed[]
  pauses: number[]
  stop: AbortController
} {
  const told: StartFailed[] = []
  const pauses: number[] = []
  const stop = new AbortController()
  const pause = async (delay: number): Promise<void> => {
    pauses.push(delay)
    await turns()
  }
  const starting = new Starting(host, { signal: stop.signal, tell: (failure) => told.push(failure), pause })
  return { starting, told, pauses, stop }
}

test('one that cannot start is told at once, while another has yet to attach', async () => {
  const host = new ScriptedHost('a', 'b')
  host.faults.set('a', [new BusbarError('LAUNCH_FAILED', 'no such program')])
  const { starting, told, stop } = start(host)
  assert.equal(await settled(starting.own), 'LAUNCH_FAILED')
  assert.deepEqual(
    told.map(({ partition, reason, again }) => [partition, reason.code, again]),
    [['a', 'LAUNCH_FAILED', false]],
  )
  assert.deepEqual(host.starts, ['a', 'b'])
  stop.abort()
  await starting.over()
  await turns()
  assert.equal(told.length, 1, 'that the other was stopped is no failure of it')
})

test('one that somebody else starts does not keep the bus from coming up, and is reached when it comes', async () => {
  const host = new ScriptedHost('a', 'x')
  const missing = new BusbarError('NOT_READY', 'nothing has created that socket yet')
  const refused = new BusbarError('NOT_READY', 'nobody listens on it')
  host.faults.set('x', [missing, missing, missing, refused])
  const { starting, told, pauses, stop } = start(host)
  await turns()
  host.attach.get('a')?.(1)
  assert.equal(await settled(starting.own), 'attached')
  assert.equal(await settled(starting.tried), 'attached')
  assert.deepEqual(starting.missing, ['x'])
  while (host.lose.get('x') === undefined) await turns()
  assert.deepEqual(
    told.map(({ reason, again }) => [reason.message, again]),
    [
      [missing.message, true],
      [refused.message, true],
    ],
    'each reason once',
  )
  assert.deepEqual(pauses, [250, 500, 1000, 2000])
  host.attach.get('x')?.(1)
  await turns()
  assert.deepEqual(starting.missing, [])
  stop.abort()
})

test('one that goes away is connected to again', async () => {
  const host = new ScriptedHost('x')
  const { starting, told, stop } = start(host)
  assert.equal(await settled(starting.own), 'attached', 'there is none that the bus starts')
  assert.equal(await settled(starting.tried), 'waiting')
  host.attach.get('x')?.(1)
  assert.equal(await settled(starting.tried), 'attached')
  const gone = new BusbarError('NOT_READY', 'nobody listens on it')
  host.faults.set('x', [gone])
  host.lose.get('x')?.(new BusbarError('LINK_LOST', 'it went'))
  while (host.starts.length < 3) await turns()
  assert.deepEqual(
    told.map(({ reason }) => reason.message),
    [gone.message],
  )
  host.attach.get('x')?.(2)
  await turns()
  assert.deepEqual(starting.missing, [])
  stop.abort()
  await turns()
  assert.equal(host.starts.length, 3)
})
