import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { type Env, memoryPair } from '../link/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { type AccessPolicy, Broker, type BusEvent } from './broker.ts'
import { CarrierListener } from './carrier-listener.ts'
import type { Channel } from './channel.ts'
import { DialledCarrier } from './dialled-carrier.ts'
import { Endpoint } from './endpoint.ts'
import type { BusLimits } from './limits.ts'
import type { PipeMode } from './messages.ts'
import { MuxCarrier } from './mux-carrier.ts'
import { SystemObject } from './system.ts'

// Timers that keep the process alive: nothing else does over memory pairs.
const env: Env = {
  ...nodeEnv(),
  timer: (delay, run) => {
    const handle = setTimeout(run, delay)
    return { cancel: () => clearTimeout(handle) }
  },
}
const allowAll: AccessPolicy = { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true }

type Attach = (partition: string) => Promise<Endpoint>

interface World {
  broker: Broker
  events: BusEvent[]
  attach: Attach
  /** Kills the last link of that partition. */
  cut(partition: string): void
}

const open: Broker[] = []
afterEach(() => {
  for (const broker of open.splice(0)) broker.close()
})

function newBroker(policy: AccessPolicy, limits: Partial<BusLimits>): { broker: Broker; events: BusEvent[] } {
  const events: BusEvent[] = []
  const broker = new Broker({ env, policy, limits, observe: (event) => events.push(event) })
  open.push(broker)
  return { broker, events }
}

/** Partitions on one mux each. */
function muxWorld(policy: AccessPolicy = allowAll, limits: Partial<BusLimits> = {}): World {
  const { broker, events } = newBroker(policy, limits)
  const cuts = new Map<string, () => void>()
  return {
    broker,
    events,
    cut: (partition) => cuts.get(partition)?.(),
    attach: (partition) => {
      const [near, far] = memoryPair()
      broker.attach(partition, new MuxCarrier(far, { side: 'bus', env }))
      cuts.set(partition, () => near.close(new BusbarError('LINK_LOST', 'cut')))
      return Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env, limits })
    },
  }
}

/** Partitions with a link for each channel. */
function dialledWorld(policy: AccessPolicy = allowAll, limits: Partial<BusLimits> = {}): World {
  const { broker, events } = newBroker(policy, limits)
  const cuts = new Map<string, () => void>()
  return {
    broker,
    events,
    cut: (partition) => cuts.get(partition)?.(),
    attach: async (partition) => {
      const listener = new CarrierListener({
        env,
        limits,
        onCarrier: (carrier) => void broker.attach(partition, carrier),
      })
      const dial = async () => {
        const [near, far] = memoryPair()
        listener.accept(far)
        return near
      }
      const control = await dial()
      cuts.set(partition, () => control.close(new BusbarError('LINK_LOST', 'cut')))
      return Endpoint.attach(new DialledCarrier(control, dial), { env, limits })
    },
  }
}

/** Partitions that are programs behind a system object. */
function nestedWorld(policy: AccessPolicy = allowAll, limits: Partial<BusLimits> = {}): World {
  const outer = muxWorld(policy, limits)
  return {
    ...outer,
    attach: async (partition) => {
      const system = new SystemObject(await outer.attach(partition), env, limits)
      const listener = new CarrierListener({ env, onCarrier: (carrier) => void system.attach(carrier) })
      const dial = async () => {
        const [near, far] = memoryPair()
        listener.accept(far)
        return near
      }
      return Endpoint.attach(new DialledCarrier(await dial(), dial), { env, limits })
    },
  }
}

async function offerEcho(endpoint: Endpoint, service: string, mode: PipeMode = 'byte'): Promise<Channel[]> {
  const accepted: Channel[] = []
  await endpoint.offer(service, {
    mode,
    decide: (opening, caller) => {
      opening
        .accept(caller)
        .then(
          async (channel) => {
            accepted.push(channel)
            for (let chunk = await channel.read(); chunk !== undefined; chunk = await channel.read()) {
              await channel.write(chunk)
            }
            await channel.end()
          },
          () => {},
        )
        .catch(() => {})
    },
  })
  return accepted
}

async function readAll(channel: Channel): Promise<string> {
  let text = ''
  for (let chunk = await channel.read(); chunk !== undefined; chunk = await channel.read()) {
    text += Buffer.from(chunk).toString()
  }
  return text
}

function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof BusbarError)
    assert.equal(error.code, code, error.message)
    return true
  })
}

for (const [name, makeWorld] of Object.entries({
  mux: muxWorld,
  'a link for each channel': dialledWorld,
  'system object': nestedWorld,
})) {
  describe(`bus over ${name}`, () => {
    test('a channel carries bytes both ways and half-closes', async () => {
      const { attach, broker } = makeWorld()
      const accepted = await offerEcho(await attach('storage'), 'echo')
      const web = await attach('web')
      const channel = await web.open('storage/echo')
      await channel.write(Buffer.from('hello '))
      await channel.write(Buffer.from('world'))
      await channel.end()
      assert.equal(await readAll(channel), 'hello world')
      assert.equal(await channel.closed, undefined)
      assert.deepEqual(accepted[0]?.caller, { partition: 'web', epoch: 1 })
      assert.equal(await accepted[0]?.closed, undefined)
      const [pipes] = [(broker.inspect() as { pipes: unknown[] }).pipes]
      assert.equal(pipes.length, 0)
    })

    test('a close carries its reason to the other end', async () => {
      const { attach } = makeWorld()
      const accepted = await offerEcho(await attach('storage'), 'echo')
      const web = await attach('web')
      const channel = await web.open('storage/echo')
      await channel.write(Buffer.from('x'))
      assert.equal(Buffer.from((await channel.read()) as Uint8Array).toString(), 'x')
      const reading = channel.read() as Promise<Uint8Array | undefined>
      accepted[0]?.close(new BusbarError('MALFORMED', 'that was garbage'))
      await rejects(reading, 'MALFORMED')
      assert.equal((await channel.closed)?.message, 'that was garbage')
      // Only that channel died.
      const next = await web.open('storage/echo')
      await next.end()
      assert.equal(await readAll(next), '')
    })

    test('refusals have their reason', async () => {
      const { attach, broker } = makeWorld()
      await offerEcho(await attach('storage'), 'echo')
      broker.declare('asleep')
      const web = await attach('web')
      await rejects(web.open('nowhere/echo'), 'NO_SUCH_PARTITION')
      await rejects(web.open('asleep/echo'), 'NOT_READY')
      await rejects(web.open('storage/other'), 'NO_SUCH_SERVICE')
      await rejects(web.open('storage/echo', { mode: 'message' }), 'WRONG_MODE')
      await rejects(web.open('no name'), 'INVALID_ARGUMENT')
    })

    test('a service that is offered twice is refused, and can be offered again after it was withdrawn', async () => {
      const { attach } = makeWorld()
      const storage = await attach('storage')
      const decide = () => {}
      const offer = await storage.offer('disk', { decide })
      await rejects(storage.offer('disk', { decide }), 'ALREADY_OFFERED')
      offer.withdraw()
      await storage.offer('disk', { decide })
    })

    test('an opening that is not answered ends at its deadline, and can be cancelled', async () => {
      const { attach } = makeWorld()
      const storage = await attach('storage')
      const aborted: unknown[] = []
      await storage.offer('slow', {
        decide: ({ signal }) => signal.addEventListener('abort', () => aborted.push(signal.reason)),
      })
      const web = await attach('web')
      await rejects(web.open('storage/slow', { deadline: 20 }), 'DEADLINE')
      const controller = new AbortController()
      const opening = web.open('storage/slow', { signal: controller.signal })
      controller.abort()
      await rejects(opening, 'CANCELLED')
      await rejects(web.open('storage/slow', { signal: controller.signal }), 'CANCELLED')
      // The target hears of both, so nothing stays half open there.
      await rejects(web.open('storage/slow', { deadline: 20 }), 'DEADLINE')
      assert.ok(aborted.length >= 2)
    })

    test('offers are told as they come and go', async () => {
      const { attach } = makeWorld()
      const web = await attach('web')
      assert.deepEqual(await web.offers.list(), [])
      const waiting = web.offers.wait((offer) => offer.service === 'disk')
      const storage = await attach('storage')
      const offer = await storage.offer('disk', { contract: 'files.FileStore@1.0', decide: () => {} })
      const seen = await waiting
      assert.deepEqual(seen, { partition: 'storage', service: 'disk', mode: 'byte', contract: 'files.FileStore@1.0' })
      const removed = new Promise<string>((resolve) => {
        web.offers.watch((change) => change.kind === 'removed' && resolve(change.reason.code))
      })
      offer.withdraw()
      assert.equal(await removed, 'RESCINDED')
    })

    test('too many channels are refused', async () => {
      const { attach } = makeWorld(allowAll, { channels: 3 })
      await offerEcho(await attach('storage'), 'echo')
      const web = await attach('web')
      const channels = await Promise.all([1, 2, 3].map(() => web.open('storage/echo')))
      await rejects(web.open('storage/echo'), 'BUSY')
      const [first] = channels
      await first?.end()
      assert.equal(await readAll(first as Channel), '')
      await first?.closed
      await web.open('storage/echo')
    })

    test('the death of a partition ends its channels at once, with a coded reason', async () => {
      const { attach, cut, events } = makeWorld()
      await offerEcho(await attach('storage'), 'echo')
      const web = await attach('web')
      const channel = await web.open('storage/echo')
      const reading = channel.read() as Promise<Uint8Array | undefined>
      cut('storage')
      await rejects(reading, 'PEER_DIED')
      await rejects(web.open('storage/echo'), 'NOT_READY')
      assert.ok(events.some((event) => event.kind === 'detached' && event.partition === 'storage'))
      // It comes back as a new epoch and works again.
      const accepted = await offerEcho(await attach('storage'), 'echo')
      const again = await web.open('storage/echo')
      await again.write(Buffer.from('again'))
      await again.end()
      assert.equal(await readAll(again), 'again')
      assert.equal(accepted.length, 1)
    })
  })
}

test('a partition that attaches again replaces its old session', async () => {
  const { attach, broker } = muxWorld()
  const first = await attach('web')
  const second = await attach('web')
  assert.ok((await first.closed) !== undefined)
  assert.equal(second.identity.epoch, 2)
  assert.equal((broker.inspect() as { partitions: unknown[] }).partitions.length, 1)
})

test('policy decides before anything is told, and hides what may not be opened', async () => {
  const asked: string[] = []
  const policy: AccessPolicy = {
    decide: ({ caller, target, service }) => {
      asked.push(`${caller} ${target}/${service}`)
      return { allowed: service === 'open', rule: 'rule 7' }
    },
    sees: ({ service }) => service === 'open',
  }
  const { attach, events } = muxWorld(policy)
  const storage = await attach('storage')
  await offerEcho(storage, 'open')
  await offerEcho(storage, 'secret')
  const web = await attach('web')
  assert.deepEqual(
    (await web.offers.list()).map(({ service }) => service),
    ['open'],
  )
  await rejects(web.open('storage/secret'), 'DENIED')
  await rejects(web.open('nowhere/else'), 'DENIED')
  await web.open('storage/open')
  assert.deepEqual(asked, ['web storage/secret', 'web nowhere/else', 'web storage/open'])
  const refused = events.filter((event) => event.kind === 'refused')
  assert.equal(refused.length, 2)
})

test('leaving in order withdraws the offers', async () => {
  const { attach } = muxWorld()
  const storage = await attach('storage')
  await offerEcho(storage, 'echo')
  const web = await attach('web')
  await storage.detach()
  await rejects(web.open('storage/echo'), 'NOT_READY')
})
