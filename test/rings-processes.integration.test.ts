/** The link suite on channels whose ends are in two processes, and whose bytes go through the memory that both have mapped. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Broker, CarrierListener, type Channel, DialledCarrier, Endpoint } from '../src/bus/index.ts'
import { type ByteLink, memoryPair, type MessageLink } from '../src/link/index.ts'
import { openChannel, Pipe } from '../src/pipe/index.ts'
import { flowing, type LinkPair, linkSuite, messageSuite } from '../src/testing/index.ts'
import { listenUnix, nodeEnv, RingAllocator, RingMedium, RingPoller } from '../src/transport/index.ts'
import { FarEnds } from './rings/far-end.ts'
import { onRings, talkOf } from './rings/process.ts'

const env = nodeEnv()
const everyone = { allowed: true, rule: 'test' }
const directory = await mkdtemp(join(tmpdir(), 'busbar-rings-'))
const children: ChildProcess[] = []
const closing: (() => void | Promise<void>)[] = []

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const close of closing) await close()
  await rm(directory, { recursive: true, force: true })
})

/** A bus with a partition here and one in another process. */
async function bus(
  window: number | undefined,
): Promise<{ far: FarEnds; open(mode: 'byte' | 'message'): Promise<Channel> }> {
  const policy = { decide: () => everyone, sees: () => true }
  const broker = new Broker({ env, policy, rings: await RingAllocator.load() })
  const carriers = (name: string): CarrierListener =>
    new CarrierListener({ env, onCarrier: (carrier) => void broker.attach(name, carrier, { here: true }) })
  const near = carriers('near')
  const dial = async (): Promise<ByteLink> => {
    const [a, b] = memoryPair()
    near.accept(b)
    return a
  }
  const rings = await RingMedium.load(new RingPoller(window))
  const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env, rings })

  const path = join(directory, window === 0 ? 'still' : 'polled')
  const far = carriers('far')
  const listener = await listenUnix(path, { onLink: (link) => far.accept(link) })
  closing.push(
    () => broker.close(),
    () => listener[Symbol.asyncDispose](),
  )
  const child = fork(
    fileURLToPath(new URL('./rings/process.ts', import.meta.url)),
    [path, window === 0 ? 'none' : ''],
    {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
    },
  )
  children.push(child)
  const open = async (mode: 'byte' | 'message'): Promise<Channel> =>
    onRings(await openChannel(endpoint, `far/${mode}`, { mode, wait: true, deadline: 60_000 }))
  return { far: new FarEnds(talkOf(child as ChildProcess & { send: (message: unknown) => boolean })), open }
}

for (const [how, window] of [
  ['with polling', undefined],
  ['without polling', 0],
] as const) {
  void describe(`rings between processes, ${how}`, { timeout: 300_000 }, async () => {
    const { far, open } = await bus(window)
    const traits = { turn: far.turn, queuesReads: true, maxChunk: 65_528 }
    const pair = async (): Promise<LinkPair> => {
      const [channel, b] = await Promise.all([open('byte'), far.open()])
      return { a: new Pipe(channel), b, dispose: async () => {} }
    }
    const messages = async (): Promise<LinkPair<MessageLink>> => {
      const [channel, b] = await Promise.all([open('message'), far.open()])
      return { a: Object.assign(new Pipe(channel), { maxMessage: 65_528 }), b, dispose: async () => {} }
    }
    linkSuite('pipe in byte mode', pair, traits)
    linkSuite('pipe read into own memory', async () => flowing(await pair(), 5000), { ...traits, queuesReads: false })
    messageSuite('pipe in message mode', messages, traits)
  })
}
