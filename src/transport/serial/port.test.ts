import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { type ByteLink, memoryPair } from '../../link/index.ts'
import { linkSuite } from '../../testing/index.ts'
import { nodeEnv } from '../env.ts'
import { SerialPort } from './port.ts'
import type { SerialSession } from './session.ts'

const env = nodeEnv()

interface Ports {
  readonly ports: readonly [SerialPort, SerialPort]
  readonly sessions: readonly [SerialSession, SerialSession]
}

async function connected(raw: readonly [ByteLink, ByteLink] = memoryPair()): Promise<Ports> {
  const ports = [new SerialPort(raw[0], { env }), new SerialPort(raw[1], { env })] as const
  return { ports, sessions: await Promise.all([ports[0].accept(), ports[1].accept()]) }
}

for (const window of [262_144, 50]) {
  linkSuite(
    `serial session over a port that takes ${window} bytes`,
    async () => {
      const { ports, sessions } = await connected(memoryPair(window))
      const [a, b] = sessions
      const dispose = async (): Promise<void> => {
        for (const port of ports) port.close()
      }
      return { a, b, dispose }
    },
    { peerSees: 'code' },
  )
}

test('both sides have the same epoch, and every session another one', async () => {
  const { ports, sessions } = await connected()
  const epochs = new Set<string>()
  let [a, b] = sessions
  for (let round = 0; round < 5; round++) {
    assert.equal(a.epoch, b.epoch)
    assert.match(a.epoch, /^[0-9a-f]{20}-[0-9a-f]{20}$/)
    epochs.add(a.epoch)
    a.close(new BusbarError('CANCELLED', 'enough'))
    assert.equal((await b.closed)?.code, 'CANCELLED')
    ;[a, b] = await Promise.all([ports[0].accept(), ports[1].accept()])
  }
  assert.equal(epochs.size, 5)
  for (const port of ports) port.close()
})

test('an orderly end leads to a next session, and late bytes of the first can still be read', async () => {
  const { ports, sessions } = await connected()
  const [a, b] = sessions
  await a.write(Uint8Array.of(1, 2, 3))
  await a.end()
  await b.end()
  assert.equal(await a.read(), undefined)
  const [c, d] = await Promise.all([ports[0].accept(), ports[1].accept()])
  assert.notEqual(c.epoch, a.epoch)
  await c.write(Uint8Array.of(9))
  assert.deepEqual([...((await d.read()) ?? [])], [9])
  assert.deepEqual([...((await b.read()) ?? [])], [1, 2, 3])
  assert.equal(await b.read(), undefined)
  assert.equal(await b.closed, undefined)
  assert.equal(await a.closed, undefined)
  for (const port of ports) port.close()
})

test('when the port goes, its session and whoever waits for one are told why', async () => {
  const raw = memoryPair()
  const { ports, sessions } = await connected(raw)
  const waiting = ports[0].accept()
  raw[1].close(new BusbarError('PEER_DIED', 'the guest stopped'))
  await assert.rejects(waiting, { code: 'PEER_DIED' })
  assert.equal((await sessions[0].closed)?.code, 'PEER_DIED')
  assert.equal((await ports[0].closed)?.code, 'PEER_DIED')
  await assert.rejects(ports[0].accept(), { code: 'PEER_DIED' })
  const ended = memoryPair()
  const port = new SerialPort(ended[0], { env })
  const accepting = port.accept()
  await ended[1].end()
  await assert.rejects(accepting, { code: 'LINK_LOST', message: /ended/ })
  ports[1].close()
})
