import { BusbarError } from '../errors/index.ts'
import type { Page, Stream } from '../rpc/index.ts'
import type { Held } from './held.ts'
import { FIRST_PAGE_BYTES, MAX_AHEAD } from './limits.ts'
import { isLong } from './long-page.ts'

/** How many times larger than the first ones pages get, however large they may be. Our choice: so the bytes ahead of a reader are bounded by these numbers too. */
const MAX_GROWTH = 3

/** How a stream reaches the object behind it. */
export interface PageSource {
  /** Makes the call whose result the stream is. */
  open(): Promise<Held>
  /** The next items of it, of so many `bytes` or what one page may have. */
  next(held: Held, maxBytes: number): Promise<Page>
  /** Nobody will read these items: the references among them go back. */
  unread(items: readonly unknown[]): void
  /** The stream is over, however it ended: timers and listeners can go. */
  over(): void
}

interface Waiter {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void
  readonly reject: (reason: unknown) => void
}

/** A page that was asked for, and what came of it. Answers are taken in the order in which they were asked for. */
interface Asked {
  outcome: Page | { readonly reason: unknown } | undefined
}

type State =
  /** Nothing was asked for. */
  | { readonly kind: 'idle' }
  /** The call that opens it is out. */
  | { readonly kind: 'opening' }
  /** Pages come from `held`. */
  | { readonly kind: 'open'; readonly held: Held }
  /** No more pages will come; what is here can still be read. */
  | { readonly kind: 'over'; failure: unknown }

/**
 * The calling side of one stream. Asks for one page ahead, and for more, up to `MAX_AHEAD`, and then for larger ones, each time that its reader had to wait:
 * a fast reader keeps both sides at work, a slow one stops the component. Leaving, in whatever way, releases the component's
 * side at once.
 */
export class Consumer implements Stream<unknown> {
  readonly #source: PageSource
  #state: State = { kind: 'idle' }
  #items: unknown[] = []
  #at = 0
  /** Pages behind the one that is read, those still under way, and how many of both there may be. */
  #following: unknown[][] = []
  #asked: Asked[] = []
  #ahead = 1
  /** The page that came last has long items. */
  #long = false
  /** Most `bytes` of a page that is asked for. */
  #pageBytes: number = FIRST_PAGE_BYTES
  #waiters: Waiter[] = []

  /** `held` when the object behind it is there already. */
  constructor(source: PageSource, held?: Held) {
    this.#source = source
    if (held !== undefined) this.#state = { kind: 'open', held }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#waiters.length === 0 && this.#at < this.#items.length) return Promise.resolve(this.#take())
    if (this.#state.kind === 'over') return this.#end(this.#state)
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#ask()
    })
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#drop()
    this.#finish(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Ends the stream from outside: what was not read is dropped, and the reader is told. */
  fail(reason: BusbarError): void {
    if (this.#state.kind === 'over') return
    this.#drop()
    this.#finish({ reason })
  }

  /** What is here is not read any more. */
  #drop(): void {
    const pages = [this.#items.slice(this.#at), ...this.#following]
    this.#items = []
    this.#at = 0
    this.#following = []
    for (const items of pages) this.#source.unread(items)
  }

  #take(): IteratorResult<unknown, undefined> {
    const value = this.#items[this.#at]
    // The memory of what was read goes at once, not with its page.
    this.#items[this.#at++] = undefined
    if (this.#at === this.#items.length) {
      this.#items = this.#following.shift() ?? []
      this.#at = 0
      this.#ask()
    }
    return { done: false, value }
  }

  #end(state: { failure: unknown }): Promise<IteratorResult<unknown, undefined>> {
    const failure = state.failure as { readonly reason: unknown } | undefined
    state.failure = undefined
    if (failure === undefined) return Promise.resolve({ done: true, value: undefined })
    return Promise.reject(BusbarError.from(failure.reason))
  }

  /** Asks for another page when there is room for one. */
  #ask(): void {
    const state = this.#state
    if (state.kind === 'idle') {
      this.#state = { kind: 'opening' }
      this.#source.open().then(
        (held) => this.#opened(held),
        (reason: unknown) => this.#finish({ reason }),
      )
      return
    }
    if (state.kind !== 'open') return
    // Several short pages are asked for in one write. For long ones that would leave the other side without work.
    const least = this.#long ? this.#ahead - 1 : this.#ahead / 2
    if (this.#asked.length + this.#following.length > least) return
    while (this.#asked.length + this.#following.length < this.#ahead) this.#askOne(state.held)
  }

  #askOne(held: Held): void {
    const asked: Asked = { outcome: undefined }
    const settle = (outcome: NonNullable<Asked['outcome']>): void => {
      asked.outcome = outcome
      if (this.#state.kind === 'over') this.#pass(asked)
      else this.#arrived()
    }
    this.#asked.push(asked)
    this.#source.next(held, this.#pageBytes).then(settle, (reason: unknown) => settle({ reason }))
  }

  #opened(held: Held): void {
    if (this.#state.kind === 'over') {
      void held.release()
      return
    }
    this.#state = { kind: 'open', held }
    this.#ask()
  }

  /** Takes the pages that are there, in order. */
  #arrived(): void {
    for (let [first] = this.#asked; first?.outcome !== undefined; [first] = this.#asked) {
      if (this.#state.kind !== 'open') return
      this.#asked.shift()
      const { outcome } = first
      if ('reason' in outcome) return this.#finish(outcome)
      this.#add(outcome)
      if (outcome.done) return this.#finish(undefined)
    }
    this.#ask()
  }

  /** A page that came, or came first, when the stream was over. */
  #pass({ outcome }: Asked): void {
    if (outcome !== undefined && 'items' in outcome) this.#source.unread(outcome.items)
  }

  #add(page: Page): void {
    const { items } = page
    if (items.length === 0) return
    this.#long = isLong(page)
    if (this.#at < this.#items.length) {
      this.#following.push(items)
      return
    }
    this.#items = items
    this.#at = 0
    if (this.#waiters.length > 0) this.#grow()
    while (this.#waiters.length > 0 && this.#at < this.#items.length) this.#waiters.shift()?.resolve(this.#take())
  }

  /** The reader had to wait. */
  #grow(): void {
    if (this.#ahead < MAX_AHEAD) this.#ahead *= 2
    else if (this.#long) this.#pageBytes = Math.min(MAX_GROWTH * FIRST_PAGE_BYTES, this.#pageBytes * 2)
  }

  #finish(failure: { readonly reason: unknown } | undefined): void {
    const state = this.#state
    if (state.kind === 'over') return
    const over = { kind: 'over' as const, failure: failure as unknown }
    this.#state = over
    this.#source.over()
    for (const asked of this.#asked.splice(0)) this.#pass(asked)
    if (state.kind === 'open') void state.held.release()
    for (const waiter of this.#waiters.splice(0)) this.#end(over).then(waiter.resolve, waiter.reject)
  }
}
