import type { StreamCore } from './stream-core.ts'

/** The place of one stream in one queue. */
export class QueuePlace {
  readonly core: StreamCore
  queued = false
  previous: QueuePlace | undefined
  next: QueuePlace | undefined

  constructor(core: StreamCore) {
    this.core = core
  }
}

/** Streams in order, each at most once; a stream that is over leaves at once, so that a peer cannot grow the queue. */
export class StreamQueue {
  #first: QueuePlace | undefined
  #last: QueuePlace | undefined

  get empty(): boolean {
    return this.#first === undefined
  }

  /** Puts a stream at the end; nothing happens when it is queued already. */
  add(place: QueuePlace): void {
    if (place.queued) return
    place.queued = true
    place.previous = this.#last
    if (this.#last === undefined) this.#first = place
    else this.#last.next = place
    this.#last = place
  }

  /** Takes the first stream out. */
  shift(): StreamCore | undefined {
    const place = this.#first
    if (place === undefined) return undefined
    this.remove(place)
    return place.core
  }

  remove(place: QueuePlace): void {
    if (!place.queued) return
    place.queued = false
    if (place.previous === undefined) this.#first = place.next
    else place.previous.next = place.next
    if (place.next === undefined) this.#last = place.previous
    else place.next.previous = place.previous
    place.previous = undefined
    place.next = undefined
  }
}
