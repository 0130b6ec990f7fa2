/** Processes that are stopped, and not ended: their links stay, and only that they do not answer any more tells. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Broker, CarrierListener, Endpoint, MuxCarrier } from '../src/bus/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { type ByteLink, memoryPair } from '../src/link/index.ts'
import { listenUnix, nodeEnv } from '../src/transport/index.ts'
import { installed } from './built-bus.ts'

const FROZEN = `
import { DialledCarrier, Endpoint, MuxCarrier } from 'busbar/bus'
import { connectUnix, nodeEnv } from 'busbar/transport'
const [, , path, kind] = process.argv
const env = nodeEnv()
const dial = () => connectUnix(path)
const control = await dial()
const carrier = kind === 'mux' ? new MuxCarrier(control, { side: 'partition', env }) : new DialledCarrier(control, dial)
const endpoint = await Endpoint.attach(carrier, { env })
await endpoint.offer('it', { decide: (opening, caller) => void opening.accept(caller) })
process.on('message', () => {})
void endpoint.closed.then(({ code }) => process.send(code))
process.send('ready')
`

const env = nodeEnv()
const everyone = { decide: () => ({ allowed: true, rule: 'test' }), sees: () => true }
const closing: (() => unknown)[] = []

after(async () => {
  for (const close of closing.toReversed()) await close()
})

async function start(directory: string, path: string, kind: string): Promise<ChildProcess> {
  const child = fork(join(directory, 'frozen.mjs'), [path, kind], { execArgv: [] })
  closing.push(() => child.kill('SIGKILL'))
  assert.deepEqual((await once(child, 'message'))[0], 'ready')
  return child
}

test('calls on a process that was stopped fail at once when it has not answered in time', async () => {
  const directory = await installed('frozen', { 'frozen.mjs': FROZEN })
  closing.push(() => rm(directory, { recursive: true }))
  const broker = new Broker({ env, policy: everyone, limits: { keepAliveInterval: 20, keepAliveTime: 5000 } })
  closing.push(() => broker.close())
  const listen = async (name: string, onLink: (link: ByteLink) => void): Promise<string> => {
    const listener = await listenUnix(join(directory, name), { onLink })
    closing.push(() => listener[Symbol.asyncDispose]())
    return listener.path
  }
  const muxes = await listen('mux', (link) => void broker.attach('mux', new MuxCarrier(link, { side: 'bus', env })))
  const carriers = new CarrierListener({ env, onCarrier: (carrier) => void broker.attach('links', carrier) })
  const links = await listen('links', (link) => carriers.accept(link))
  const [near, far] = memoryPair()
  broker.attach('caller', new MuxCarrier(far, { side: 'bus', env }))
  const caller = await Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env })

  const children = [await start(directory, muxes, 'mux'), await start(directory, links, 'links')]
  const channels = [await caller.open('mux/it'), await caller.open('links/it')]
  const reading = Promise.allSettled(channels.map(async (channel) => channel.read()))
  for (const child of children) child.kill('SIGSTOP')
  const codes = (await reading).map((read) => read.status === 'rejected' && BusbarError.from(read.reason).code)
  assert.deepEqual(codes, ['PEER_DIED', 'PEER_DIED'])
  for (const name of ['mux/it', 'links/it']) {
    await assert.rejects(caller.open(name), (thrown) => BusbarError.from(thrown).code === 'NOT_READY')
  }
  // Those that run again find that they were given up.
  for (const child of children) {
    const told = once(child, 'message')
    child.kill('SIGCONT')
    assert.match(String((await told)[0]), /^(LINK_LOST|RESET|DEADLINE)$/)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})
