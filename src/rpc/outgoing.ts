/**
 * What waits to be written to a link, in two lanes: PDUs leave in the order they came, and fragments of bulk, where those may mix with
 * others, one at a time when nothing else waits.
 */
export class Outgoing {
  #pdus: Uint8Array[] = []
  #head = 0
  /** Fragments, each in pieces. */
  #bulk: (readonly Uint8Array[])[] = []
  #bulkHead = 0
  /** The fragment that has begun to leave: nothing may come between its pieces. */
  #begun: readonly Uint8Array[] = []
  #piece = 0
  #bytes = 0
  /** Fragments of bulk that were given here, and those that have begun to leave. */
  #given = 0
  #left = 0

  /** `bytes` that wait. */
  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#bytes === 0
  }

  /** Fragments of bulk that were given here so far: what `waits` takes. */
  get given(): number {
    return this.#given
  }

  /** Whether the fragment of bulk that was given here as number `given` still waits; 0 is none. */
  waits(given: number): boolean {
    return given > this.#left
  }

  push(bytes: Uint8Array): void {
    this.#pdus.push(bytes)
    this.#bytes += bytes.length
  }

  pushBulk(fragment: readonly Uint8Array[]): void {
    this.#bulk.push(fragment)
    this.#given++
    for (const { length } of fragment) this.#bytes += length
  }

  /** What leaves next. */
  next(): Uint8Array | undefined {
    const bytes = this.#take()
    if (bytes !== undefined) this.#bytes -= bytes.length
    return bytes
  }

  clear(): void {
    this.#pdus = []
    this.#head = 0
    this.#bulk = []
    this.#bulkHead = 0
    this.#begun = []
    this.#bytes = 0
  }

  #take(): Uint8Array | undefined {
    if (this.#piece < this.#begun.length) return this.#begun[this.#piece++]
    const pdu = this.#pdus[this.#head]
    if (pdu !== undefined) {
      this.#head = tidied(this.#pdus, this.#head + 1)
      return pdu
    }
    const fragment = this.#bulk[this.#bulkHead]
    if (fragment === undefined) {
      this.#begun = []
      return undefined
    }
    this.#bulkHead = tidied(this.#bulk, this.#bulkHead + 1)
    this.#begun = fragment
    this.#piece = 1
    this.#left++
    return fragment[0]
  }
}

/** Forgets what was taken from the front of a queue, now and then; returns where its front is. */
function tidied(queue: unknown[], head: number): number {
  if (head < queue.length && head < 64) return head
  queue.splice(0, head)
  return 0
}
