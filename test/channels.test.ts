/** Everything that carries bytes keeps the same contract: here the channels of the bus, and pipes over them, on every carrier. */
import {
  Broker,
  CarrierListener,
  type Channel,
  DialledCarrier,
  Endpoint,
  MuxCarrier,
  SystemObject,
} from '../src/bus/index.ts'
import { type ByteLink, type Env, memoryPair, type MessageLink } from '../src/link/index.ts'
import { Pipe } from '../src/pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../src/testing/index.ts'
import { nodeEnv } from '../src/transport/index.ts'

const env: Env = nodeEnv()
const everyone = { allowed: true, rule: 'test' }

type Attach = (broker: Broker, partition: string) => Promise<Endpoint>

const overMux: Attach = (broker, partition) => {
  const [near, far] = memoryPair()
  broker.attach(partition, new MuxCarrier(far, { side: 'bus', env }))
  return Endpoint.attach(new MuxCarrier(near, { side: 'partition', env }), { env })
}

const overLinks: Attach = async (broker, partition) => {
  const listener = new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(partition, carrier) })
  return dialled((far) => listener.accept(far))
}

const overSystemObject: Attach = async (broker, partition) => {
  const system = new SystemObject(await overMux(broker, partition), env)
  const listener = new CarrierListener({ env, onCarrier: (carrier) => void system.attach(carrier) })
  return dialled((far) => listener.accept(far))
}

async function dialled(accept: (far: ByteLink) => void): Promise<Endpoint> {
  const dial = async (): Promise<ByteLink> => {
    const [near, far] = memoryPair()
    accept(far)
    return near
  }
  return Endpoint.attach(new DialledCarrier(await dial(), dial), { env })
}

/** A broker, two partitions, and a channel between them. */
async function channelPair(attach: Attach, mode: 'byte' | 'message'): Promise<LinkPair<Channel>> {
  const broker = new Broker({ env, policy: { decide: () => everyone, sees: () => true } })
  const [server, client] = [await attach(broker, 'server'), await attach(broker, 'client')]
  const accepted = new Promise<Channel>((resolve, reject) => {
    void server
      .offer('it', { mode, decide: (opening, caller) => opening.accept(caller).then(resolve, reject) })
      .then(open, reject)
  })
  const opened = deferred<Channel>()
  function open(): void {
    client.open('server/it', { mode }).then(opened.resolve, opened.reject)
  }
  const [a, b] = await Promise.all([opened.promise, accepted])
  return { a, b, dispose: async () => broker.close() }
}

function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(reason: unknown): void } {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

async function pipePair(attach: Attach, mode: 'byte' | 'message'): Promise<LinkPair<Pipe & MessageLink>> {
  const { a, b, dispose } = await channelPair(attach, mode)
  const pipeOf = (channel: Channel) => Object.assign(new Pipe(channel), { maxMessage: 65_528 })
  return { a: pipeOf(a), b: pipeOf(b), dispose }
}

for (const [name, attach] of Object.entries({
  'a mux': overMux,
  'a link for each': overLinks,
  'a system object': overSystemObject,
})) {
  linkSuite(`channel over ${name}`, () => channelPair(attach, 'byte'))
}
linkSuite('channel read through flow', async () => flowing(await channelPair(overLinks, 'byte')))
linkSuite('pipe in byte mode', () => pipePair(overMux, 'byte'), { queuesReads: true })
messageSuite('pipe in message mode', () => pipePair(overMux, 'message'), { queuesReads: true, maxChunk: 65_528 })
