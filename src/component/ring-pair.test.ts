/** What `memoryPair` gives, on rings: two ends of a link in one process, whose bytes go through shared memory. */
import type { BusbarError } from '../errors/index.ts'
import type { MemoryLink } from '../testing/index.ts'
import { RingPoller, workerLink, workerPorts } from '../transport/index.ts'

/** Of each ring: small, since there are hundreds. */
const RING_BYTES = 65_536

type RingLink = ReturnType<typeof workerLink>

/** A link of these tests: what one end sends can be held up. */
export type TestLink = Pick<MemoryLink, 'fence' | 'release' | 'read' | 'write' | 'end' | 'close' | 'closed'> &
  Partial<Pick<RingLink, 'flow'>>

const poller = new RingPoller()
const made: RingLink[] = []

export function ringPair(): [TestLink, TestLink] {
  const [a, b] = workerPorts(RING_BYTES).map((port) => workerLink(port, poller))
  if (a === undefined || b === undefined) throw new Error('a link has two ends')
  made.push(a, b)
  return [new RingEnd(a), new RingEnd(b)]
}

/** Closes those that tests left open, which would keep the process alive; how many links there were. */
export function closeRingPairs(): number {
  for (const link of made) link.close()
  return made.length / 2
}

class RingEnd implements TestLink {
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
