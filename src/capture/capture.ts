import { BusbarError, escapePeerText } from '../errors/index.ts'
import { Addresses } from './addresses.ts'
import { BlockQueue, type Room } from './block-queue.ts'
import { Conversation, type WriteSegment } from './conversation.ts'
import { type End, frameBytes, writeFrame } from './frame.ts'
import { type CaptureLimits, DEFAULT_CAPTURE_LIMITS } from './limits.ts'
import { type EachPayload, Payloads } from './payloads.ts'
import {
  encodeName,
  encodePacketOptions,
  encodeStart,
  encodeStatistics,
  packetBlockBytes,
  writePacketBlock,
} from './pcapng.ts'

/** A pipe that the bus joined. */
export interface CapturedPipe {
  /** The partition that opened it, as the bus attests. */
  readonly caller: string
  readonly callerEpoch: number
  readonly partition: string
  readonly service: string
  readonly mode: 'byte' | 'message'
  /** It was open when the capture began: what it carried before is not in it. */
  readonly joinedLate: boolean
  /** Its bytes travel in pipe packets, headers included; so many bytes of each direction's packet are still to come. */
  readonly packets: { readonly toService: number; readonly toCaller: number } | undefined
}

/** Hears what one pipe carries. Never throws, never waits; it copies what it keeps. */
export interface PipeTap {
  bytes(fromCaller: boolean, chunk: Uint8Array): void
  /** That direction ended in order. */
  ended(fromCaller: boolean): void
  /** The pipe is over: in order, or for a reason. */
  closed(reason: BusbarError | undefined): void
}

/** Which pipes are of interest; all when both are absent. */
export interface CaptureFilter {
  /** Only pipes that this partition opened or serves. */
  readonly partition?: string | undefined
  /** Only pipes to services of this name. */
  readonly service?: string | undefined
}

export interface CaptureOptions {
  /** Microseconds since 1970. */
  now(): number
  /** Who writes the file, for its header. */
  application: string
  filter?: CaptureFilter
  limits?: Partial<CaptureLimits>
}

/** What a capture saw so far. */
export interface CaptureCounts {
  readonly pipes: number
  readonly packets: number
  /** Payload of those packets, `bytes`. */
  readonly bytes: number
  /** Packets left out because the reader was too slow, and their payload in `bytes`. */
  readonly dropped: number
  readonly droppedBytes: number
}

/**
 * Turns what pipes carry into a pcapng file: the pipes write, whoever keeps the file reads. What is read late is held up
 * to a limit; beyond it packets are left out, counted, and the next one says how many are missing.
 */
export class Capture {
  readonly #now: () => number
  readonly #filter: CaptureFilter
  readonly #limits: CaptureLimits
  readonly #queue: BlockQueue
  readonly #addresses = new Addresses()
  /** Partitions that the file has a name for. */
  readonly #named = new Set<string>()
  readonly #counts = { pipes: 0, packets: 0, bytes: 0, dropped: 0, droppedBytes: 0 }
  /** Dropped since the last packet that was kept. */
  #gap = { packets: 0, bytes: 0 }
  #waiting: ((chunk: Uint8Array | undefined) => void) | undefined
  /** The blocks that end the file, once nothing more comes. */
  #last: Uint8Array | undefined
  #finished = false

  constructor({ now, application, filter = {}, limits }: CaptureOptions) {
    this.#now = now
    this.#filter = filter
    this.#limits = { ...DEFAULT_CAPTURE_LIMITS, ...limits }
    this.#queue = new BlockQueue(this.#limits.queue)
    this.#put(encodeStart(application))
  }

  get counts(): CaptureCounts {
    return { ...this.#counts }
  }

  /** Follows a pipe from now on; `undefined` when the filter leaves it out or the capture is over. */
  opened(pipe: CapturedPipe): PipeTap | undefined {
    if (this.#finished || !matches(this.#filter, pipe)) return undefined
    this.#counts.pipes++
    const { caller, callerEpoch, partition, service, mode, joinedLate } = pipe
    const callerEnd: End = { address: this.#addresses.of(caller), port: this.#addresses.nextPort() }
    const serviceEnd: End = { address: this.#addresses.of(partition), port: this.#addresses.portOf(service) }
    // Said again until a packet was kept that says it.
    let title: string | undefined = `${caller} (epoch ${callerEpoch}) opened ${partition}/${service}, ${mode} mode`
    if (joinedLate) title += '; open before the capture began'
    const write: WriteSegment = (segment, comment) => {
      if (this.#finished) return
      this.#name(caller, callerEnd.address)
      this.#name(partition, serviceEnd.address)
      const note = [title, comment].filter((text) => text !== undefined).join('; ')
      if (this.#packet(segment, note === '' ? undefined : note)) title = undefined
    }
    const conversation = new Conversation(callerEnd, serviceEnd, this.#limits.unacknowledged, write)
    if (joinedLate) conversation.join()
    else conversation.open()
    return pipeTap(pipe, conversation)
  }

  /**
   * The next piece of the file, whole blocks; `undefined` after `finish` when everything was read. At most one read may be
   * pending; a second is `INVALID_ARGUMENT`.
   */
  read(): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#waiting !== undefined) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'a read is already pending on this capture'))
    }
    const chunk = this.#queue.take() ?? this.#takeLast()
    if (chunk !== undefined || this.#finished) return chunk
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  /** Ends the file. Idempotent. */
  finish(): void {
    if (this.#finished) return
    this.#finished = true
    const { packets, dropped } = this.#counts
    this.#last = encodeStatistics(this.#now(), packets + dropped, dropped)
    this.#wake()
  }

  #takeLast(): Uint8Array | undefined {
    const last = this.#last
    this.#last = undefined
    return last
  }

  #name(partition: string, address: Uint8Array): void {
    if (this.#named.has(partition)) return
    if (this.#put(encodeName(address, partition))) this.#named.add(partition)
  }

  #packet(segment: Parameters<WriteSegment>[0], comment: string | undefined): boolean {
    const { packets: dropped, bytes: lost } = this.#gap
    const missing = dropped === 0 ? undefined : `${dropped} packets with ${lost} bytes are missing before this one`
    const notes = [comment, missing].filter((text) => text !== undefined)
    const options = encodePacketOptions({ comment: notes.length === 0 ? undefined : notes.join('; '), dropped })
    const frame = frameBytes(segment)
    const room = this.#queue.reserve(packetBlockBytes(frame, options))
    const { length } = segment.payload
    if (room === undefined) {
      this.#counts.dropped++
      this.#counts.droppedBytes += length
      this.#gap.packets++
      this.#gap.bytes += length
      return false
    }
    this.#gap = { packets: 0, bytes: 0 }
    this.#counts.packets++
    this.#counts.bytes += length
    this.#writePacket(room, segment, options, frame)
    this.#wake()
    return true
  }

  #writePacket(room: Room, segment: Parameters<WriteSegment>[0], options: Uint8Array, frame: number): void {
    const start = writePacketBlock(room, this.#now(), frame, options)
    writeFrame(room.bytes, room.view, start, segment)
  }

  #put(block: Uint8Array): boolean {
    const room = this.#queue.reserve(block.length)
    room?.bytes.set(block, room.at)
    return room !== undefined
  }

  #wake(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    waiting(this.#queue.take() ?? this.#takeLast())
  }
}

function matches({ partition, service }: CaptureFilter, pipe: CapturedPipe): boolean {
  if (service !== undefined && service !== pipe.service) return false
  return partition === undefined || partition === pipe.caller || partition === pipe.partition
}

function pipeTap({ mode, packets, joinedLate }: CapturedPipe, conversation: Conversation): PipeTap {
  const whole = mode === 'byte'
  // A message pipe that is joined late is somewhere inside a message: it is shown with its headers.
  const messages = mode === 'message' && !joinedLate
  const direction = (fromCaller: boolean, left: number | undefined): ((chunk: Uint8Array) => void) => {
    const shown: EachPayload = (piece, last) => conversation.data(fromCaller, piece, whole || last)
    const ofMessages = unpacked(messages ? 0 : undefined, shown)
    const ofPackets = unpacked(left, (piece) => ofMessages(piece))
    return ofPackets
  }
  const up = direction(true, packets?.toService)
  const down = direction(false, packets?.toCaller)
  return {
    bytes: (fromCaller, chunk) => (fromCaller ? up(chunk) : down(chunk)),
    ended: (fromCaller) => conversation.end(fromCaller),
    closed: (reason) => {
      if (reason !== undefined) conversation.reset(`${reason.code}: ${escapePeerText(reason.message)}`)
    },
  }
}

/** Takes the packet headers out, when there are any: `left` says how much of the first packet is still to come. */
function unpacked(left: number | undefined, each: EachPayload): (chunk: Uint8Array) => void {
  if (left === undefined) return (chunk) => each(chunk, true)
  const payloads = new Payloads(left)
  return (chunk) => payloads.push(chunk, each)
}
