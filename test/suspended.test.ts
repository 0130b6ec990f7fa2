/** A process that did not run for a while: what arrived meanwhile counts, not what its timers say. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Broker, CarrierListener, DialledCarrier, Endpoint } from '../src/bus/index.ts'
import { connectUnix, listenUnix, nodeEnv } from '../src/transport/index.ts'

/** Most that a partition may take to make contact here, `ms`, and how long the process then stands still. */
const LIMIT = 50
const SUSPENDED = 10 * LIMIT

function suspend(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SUSPENDED)
}

test('a partition that was attaching while the bus was suspended attaches', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-suspended-'))
  const path = join(directory, 'bus.sock')
  const env = nodeEnv()
  const limits = { contactTime: LIMIT }
  const broker = new Broker({
    env,
    limits,
    policy: { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true },
  })
  const carriers = new CarrierListener({
    env,
    limits,
    onCarrier: (carrier) => {
      broker.attach('web', carrier)
      // It has been accepted, and has not been read from yet.
      suspend()
    },
  })
  const listener = await listenUnix(path, { onLink: (link) => carriers.accept(link) })
  // Its timer goes off late too, as that of everybody on a machine that was suspended.
  const dial = () => connectUnix(path)
  try {
    const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env, limits })
    assert.equal(endpoint.identity.partition, 'web')
    await endpoint.detach()
  } finally {
    broker.close()
    await listener[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  }
})
