import { ChunkQueue } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import type { SimNode } from './node.ts'
import { drawChunk, type LinkPolicy, SMALL_DELIVERIES } from './link-policy.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import type { Scheduler } from './scheduler.ts'

/** Changes chunks on their way: a peer that lies, or a bug that is planted to see whether it is found. */
export type Tamper = (chunk: Uint8Array) => Uint8Array[]

/** Where a wire leads. */
export interface WireEnd {
  readonly node: SimNode
  /** Nothing can arrive any more. */
  readonly deaf: boolean
  arrived(chunk: Uint8Array): void
  ended(): void
  broke(reason: BusbarError): void
}

/** One direction of a link: bytes under way, delivered in order, in pieces, some time later. */
export class Wire {
  readonly #scheduler: Scheduler
  readonly #random: SimRandom
  readonly #report: Report
  readonly #policy: LinkPolicy
  readonly #to: WireEnd
  readonly #queue = new ChunkQueue()
  /** What is left of each write that is under way. */
  readonly #writes: number[] = []
  /** Bytes that will still be delivered, when the link broke. */
  #left = Number.POSITIVE_INFINITY
  #ended = false
  #endDelivered = false
  #broken: BusbarError | undefined
  #finished = false
  #scheduled = false
  #stalledUntil = 0
  #small = 0
  tamper: Tamper | undefined

  constructor(scheduler: Scheduler, random: SimRandom, report: Report, policy: LinkPolicy, to: WireEnd) {
    this.#scheduler = scheduler
    this.#random = random
    this.#report = report
    this.#policy = policy
    this.#to = to
  }

  /** Bytes under way. */
  get held(): number {
    return this.#queue.length
  }

  get stalled(): boolean {
    return this.#stalledUntil > this.#scheduler.now
  }

  write(chunk: Uint8Array): void {
    if (this.#broken !== undefined) return
    for (const part of this.tamper?.(chunk) ?? [chunk]) {
      if (part.length === 0) continue
      this.#queue.push(part)
      this.#writes.push(part.length)
    }
    this.#schedule()
  }

  end(): void {
    this.#ended = true
    this.#schedule()
  }

  /** The far end learns of it after the first `keep` bytes under way (all, some or none of them). */
  break(reason: BusbarError): void {
    if (this.#broken !== undefined) return
    this.#broken = reason
    const held = this.#queue.length
    this.#left = this.#random.chance(this.#policy.lossyClose) ? 0 : this.#random.below(held + 1)
    if (held > 0) this.#report.sometimes('link broke with data in flight')
    if (this.#left < held && this.#cutsWrite(this.#left)) this.#report.sometimes('link broke inside a write')
    this.#schedule()
  }

  /** Delivers nothing for so many virtual `ms`. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#scheduler.now + ms)
  }

  #cutsWrite(at: number): boolean {
    let edge = 0
    for (const size of this.#writes) {
      if (edge >= at) break
      edge += size
    }
    return edge !== at
  }

  #schedule(): void {
    if (this.#scheduled || this.#finished) return
    this.#scheduled = true
    const { latency } = this.#policy
    this.#again(latency === 0 ? 0 : this.#random.below(latency * 8 + 1) / 8)
  }

  #again(delay: number): void {
    this.#scheduler.after(delay, this.#to.node, 'delivery', () => this.#deliver())
  }

  #deliver(): void {
    if (this.#to.deaf) {
      this.#finished = true
      this.#queue.clear()
      return
    }
    const stall = this.#stalledUntil - this.#scheduler.now
    if (stall > 0) return this.#again(stall)
    this.#scheduled = false
    const held = Math.min(this.#queue.length, this.#left)
    if (held > 0) {
      const chunk = this.#queue.take(this.#chunkSize(held)).slice()
      this.#left -= chunk.length
      this.#report.mix(chunk.length)
      this.#to.arrived(chunk)
      if (this.#queue.length > 0 || this.#ended || this.#broken !== undefined) this.#schedule()
    } else if (this.#broken !== undefined) {
      this.#finished = true
      this.#queue.clear()
      this.#to.broke(this.#broken)
    } else if (this.#ended && !this.#endDelivered) {
      // Not finished: the link can still break, and whoever writes the other way notices.
      this.#endDelivered = true
      this.#to.ended()
    }
  }

  #chunkSize(held: number): number {
    const first = Math.min(held, this.#writes[0] ?? held)
    const style = this.#small > SMALL_DELIVERIES ? 'merged' : this.#random.pick(this.#policy.styles)
    const size = drawChunk(style, first, held, this.#random)
    if (size < 64) this.#small++
    if (size < first) this.#report.sometimes('write split across deliveries')
    if (size > first) this.#report.sometimes('writes merged into one delivery')
    this.#delivered(size)
    return size
  }

  #delivered(size: number): void {
    let left = size
    while (left > 0) {
      const first = this.#writes[0] ?? left
      if (first > left) {
        this.#writes[0] = first - left
        return
      }
      left -= first
      this.#writes.shift()
    }
  }
}
