import { randomBytes } from 'node:crypto'
import { MessageChannel, type MessagePort, type Transferable } from 'node:worker_threads'
import { BusbarError } from '../../errors/index.ts'
import { RingReader, RingWriter } from '../../ring/index.ts'
import { PRIVATE_RING_BYTES, RING_PAYLOAD } from '../mapped/limits.ts'
import { RingPoller } from '../mapped/poller.ts'
import { formatRegion, KEY_BYTES, openRegion, regionBytes } from '../mapped/region.ts'
import { checkedRingBytes } from '../mapped/settings.ts'
import { RingStream } from '../mapped/stream.ts'
import { SignalLink } from './signals.ts'

/** One end of a link between threads, as plain data: `postMessage(port, transferOf(port))` gives it to another thread. */
export interface WorkerPort {
  /** Both rings. */
  readonly memory: SharedArrayBuffer
  /** 16 bytes that both ends of a pair have, and no other. */
  readonly key: Uint8Array
  /** 0 writes the first ring, 1 the second. */
  readonly side: 0 | 1
  /** Wakes the other end, and tells how it ended. */
  readonly signals: MessagePort
}

/** What both sides agree on beside the region. */
const RING_OPTIONS = { mode: 'byte', maxPayload: RING_PAYLOAD } as const

/**
 * Two ends of a link between threads of this process: two rings in one `SharedArrayBuffer`. `ringBytes` is the data of one ring, in whole pages; else
 * `INVALID_ARGUMENT`. Whoever takes an end calls `workerLink` with it, once, in the thread where it is used.
 */
export function workerPorts(ringBytes: number = PRIVATE_RING_BYTES): [WorkerPort, WorkerPort] {
  checkedRingBytes(ringBytes)
  const memory = new SharedArrayBuffer(regionBytes(ringBytes))
  const key = new Uint8Array(randomBytes(KEY_BYTES))
  formatRegion(new Uint8Array(memory), ringBytes, key)
  const { port1, port2 } = new MessageChannel()
  return [
    { memory, key, side: 0, signals: port1 },
    { memory, key, side: 1, signals: port2 },
  ]
}

/** What must be in the transfer list when the port is posted. */
export function transferOf(port: WorkerPort): readonly Transferable[] {
  return [port.signals]
}

/**
 * The link that a port is one end of. Takes the port. It ends with `LINK_LOST` when the other thread does. The links of a thread should share
 * one poller. Throws `MALFORMED`, `VERSION` or `STALE_EPOCH` for a port that `workerPorts` did not make.
 */
export function workerLink(port: WorkerPort, poller: RingPoller = new RingPoller()): RingStream {
  const { side } = port
  if (side !== 0 && side !== 1) throw new BusbarError('MALFORMED', `side ${String(side)} of two rings`)
  const blocks = openRegion(new Uint8Array(port.memory), port.key)
  const signals = new SignalLink(port.signals)
  const stream = new RingStream(signals, poller)
  stream.prepare({
    writer: new RingWriter(blocks[side], RING_OPTIONS),
    reader: new RingReader(blocks[side === 0 ? 1 : 0], RING_OPTIONS),
    bell: signals.bell,
    release: () => {},
  })
  stream.raise()
  return stream
}
