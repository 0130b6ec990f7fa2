import type { BusbarError } from '../../errors/index.ts'
import type { MemoryLink } from '../../link/index.ts'
import { RingPoller, workerLink, workerPorts } from '../../transport/index.ts'

/** Data of each ring, `bytes`: small, since tests make hundreds (our choice). */
const RING_BYTES = 65_536

type RingLink = ReturnType<typeof workerLink>

/** A link whose end can hold up what it sends, in memory or on rings. */
export type FencedLink = Pick<MemoryLink, 'fence' | 'release' | 'read' | 'write' | 'end' | 'close' | 'closed'> &
  Partial<Pick<RingLink, 'flow'>>

/** Makes what `memoryPair` gives, on rings: two ends of a link in one process, whose bytes go through shared memory. One poller looks at all of them. */
export class RingPairs {
  readonly #poller = new RingPoller()
  readonly #made: RingLink[] = []
  readonly #ringBytes: number

  /** `ringBytes`: data of each ring, in whole pages; else `pair` throws `INVALID_ARGUMENT`. */
  constructor(ringBytes: number = RING_BYTES) {
    this.#ringBytes = ringBytes
  }

  pair(): [FencedLink, FencedLink] {
    const [first, second] = workerPorts(this.#ringBytes)
    const [a, b] = [workerLink(first, this.#poller), workerLink(second, this.#poller)]
    this.#made.push(a, b)
    return [new RingEnd(a), new RingEnd(b)]
  }

  /** Closes those that tests left open, which would keep the process alive; how many links there were. */
  close(): number {
    for (const link of this.#made) link.close()
    return this.#made.length / 2
  }
}

class RingEnd implements FencedLink {
  readonly #link: RingLink
  #fenced = false
  #held: (() => void)[] = []

  constructor(link: RingLink) {
    this.#link = link
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#link.closed
  }

  get copies(): boolean {
    return this.#link.copies && !this.#fenced
  }

  fence(): void {
    this.#fenced = true
  }

  release(count: number = this.#held.length): void {
    for (const send of this.#held.splice(0, count)) send()
    if (this.#held.length === 0) this.#fenced = false
  }

  read(): ReturnType<MemoryLink['read']> {
    return this.#link.read()
  }

  flow(sink: Parameters<RingLink['flow']>[0]): void {
    this.#link.flow(sink)
  }

  write(chunk: Uint8Array): ReturnType<MemoryLink['write']> {
    if (!this.#fenced) return this.#link.write(chunk)
    this.#held.push(() => void this.#link.write(chunk))
  }

  end(): ReturnType<MemoryLink['end']> {
    if (!this.#fenced) return this.#link.end()
    this.#held.push(() => void this.#link.end())
  }

  close(reason?: BusbarError): void {
    this.#link.close(reason)
  }
}
