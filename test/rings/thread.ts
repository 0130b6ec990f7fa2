/** The other thread of `rings-threads.test.ts`: ends of links that it is given, a server, or a partition of the bus in the first thread. */
import { type MessagePort, parentPort, type Transferable, workerData } from 'node:worker_threads'
import { Bus, type PipeHandler } from '../../src/agent/index.ts'
import { DialledCarrier, Endpoint } from '../../src/bus/index.ts'
import type { ByteLink } from '../../src/link/index.ts'
import type { Pipe } from '../../src/pipe/index.ts'
import { plainInterface, RpcAccess, RpcServer } from '../../src/rpc/index.ts'
import { nodeEnv, RingPoller, transferOf, workerLink, type WorkerPort, workerPorts } from '../../src/transport/index.ts'
import { GREETER, Greeter } from './contract.ts'
import { serveEnds, type Talk } from './far-end.ts'

/** What a thread is told when it starts. */
export interface ThreadData {
  readonly role: 'ends' | 'server' | 'partition'
  readonly talk: MessagePort
  /** Of its poller, `ms`. */
  readonly window?: number | undefined
}

/** A port as a way to talk. */
export function talkOf(port: MessagePort): Talk {
  return {
    post: (message, transfer = []) => port.postMessage(message, transfer as Transferable[]),
    listen: (heard) => void port.on('message', heard),
  }
}

const ROLES = { ends, server, partition } as const

if (parentPort !== null) {
  const { role, talk, window } = workerData as ThreadData
  await ROLES[role](talkOf(talk), new RingPoller(window), parentPort)
}

function ends(talk: Talk, poller: RingPoller): void {
  serveEnds(talk, (port) => workerLink(port as WorkerPort, poller))
}

function server(talk: Talk, poller: RingPoller): void {
  const env = nodeEnv()
  const served = plainInterface(Greeter, GREETER)
  serveEnds(talk, (port) => {
    const link = workerLink(port as WorkerPort, poller)
    void new RpcServer(new RpcAccess(link), {
      env,
      lookup: ({ uuid }) => (uuid === Greeter.uuid ? served : undefined),
    })
    return link
  })
}

/** Its links are rings to the first thread: one for the bus, one for each channel. */
async function partition(talk: Talk, poller: RingPoller, parent: MessagePort): Promise<void> {
  const dial = async (): Promise<ByteLink> => {
    const [near, far] = workerPorts()
    parent.postMessage(far, transferOf(far))
    return workerLink(near, poller)
  }
  const env = nodeEnv()
  const bus = new Bus(await Endpoint.attach(new DialledCarrier(await dial(), dial), { env }), env)
  const arrived: Pipe[] = []
  let taken = (): void => {}
  for (const mode of ['byte', 'message'] as const) {
    const take: PipeHandler = (pipe) => {
      // How it ends, the end of the link in the first thread finds out.
      arrived.push(pipe.on('error', () => {}).handle)
      taken()
    }
    await bus.offer(mode, take, { mode })
  }
  await bus.offer(Greeter, GREETER)
  serveEnds(talk, async () => {
    while (arrived.length === 0) {
      await new Promise<void>((resolve) => {
        taken = resolve
      })
    }
    return arrived.shift() as Pipe
  })
}
