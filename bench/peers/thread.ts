/** The other thread: serves calls, swallows bytes and messages on rings, and does the same on a bare `MessagePort`. */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { type ByteLink, PacketLink } from 'busbar/link'
import { plainInterface, RpcAccess, RpcServer } from 'busbar/rpc'
import { nodeEnv, RingPoller, workerLink, type WorkerPort } from 'busbar/transport'
import { Echo } from './contract.ts'

/** What comes over a `MessagePort`. `told` is how much of it until one answer comes. */
export interface Ask {
  readonly do: 'call' | 'sink' | 'messages' | 'port-echo' | 'port-sink'
  readonly port?: WorkerPort
  readonly bare?: MessagePort
  readonly told?: number
}

const poller = new RingPoller()

const handlers: Readonly<Record<Ask['do'], (ask: Required<Ask>) => void>> = {
  call: ({ port }) => {
    const served = plainInterface(Echo, { echo: ({ data }) => data })
    const lookup = ({ uuid }: { uuid: string }) => (uuid === Echo.uuid ? served : undefined)
    void new RpcServer(new RpcAccess(workerLink(port, poller)), { env: nodeEnv(), lookup })
  },
  sink: ({ port }) => void swallow(workerLink(port, poller)),
  messages: ({ port }) => void swallowBatches(new PacketLink(workerLink(port, poller))),
  'port-echo': ({ bare }) => bare.on('message', (bytes) => bare.postMessage(bytes)),
  'port-sink': ({ bare, told }) => {
    let left = told
    bare.on('message', () => {
      if (--left === 0) {
        left = told
        bare.postMessage(0)
      }
    })
  },
}

async function swallow(link: ByteLink): Promise<void> {
  for (;;) {
    const chunk = link.read()
    if ((chunk instanceof Promise ? await chunk : chunk) === undefined) break
  }
  await link.end()
}

async function swallowBatches(link: PacketLink): Promise<void> {
  for (;;) {
    const batch = link.readBatch()
    if ((batch instanceof Promise ? await batch : batch) === undefined) break
  }
  await link.end()
}

parentPort?.on('message', (ask: Required<Ask>) => handlers[ask.do](ask))
