import { BusbarError } from '../errors/index.ts'
import type { Page, Stream } from '../rpc/index.ts'
import type { Held } from './held.ts'

/** How a stream reaches the object behind it. */
export interface PageSource {
  /** Makes the call whose result the stream is. */
  open(): Promise<Held>
  /** The next items of it. */
  next(held: Held): Promise<Page>
  /** The stream is over, however it ended: timers and listeners can go. */
  over(): void
}

interface Waiter {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void
  readonly reject: (reason: unknown) => void
}

type State =
  /** Nothing was asked for. */
  | { readonly kind: 'idle' }
  /** The call that opens it is out. */
  | { readonly kind: 'opening' }
  /** Pages come from `held`; `asked` while one is under way. */
  | { readonly kind: 'open'; readonly held: Held; asked: boolean }
  /** No more pages will come; what is here can still be read. */
  | { readonly kind: 'over'; failure: unknown }

/**
 * The calling side of one stream. Holds at most the page that is being read and the next one, so a slow reader stops the
 * component. Leaving, in whatever way, releases the component's side at once.
 */
export class Consumer implements Stream<unknown> {
  readonly #source: PageSource
  #state: State = { kind: 'idle' }
  #items: unknown[] = []
  #at = 0
  #following: unknown[] | undefined
  #waiters: Waiter[] = []

  constructor(source: PageSource) {
    this.#source = source
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
    this.#items = []
    this.#at = 0
    this.#following = undefined
    this.#finish(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Ends the stream from outside: what was not read is dropped, and the reader is told. */
  fail(reason: BusbarError): void {
    if (this.#state.kind === 'over') return
    this.#items = []
    this.#at = 0
    this.#following = undefined
    this.#finish({ reason })
  }

  #take(): IteratorResult<unknown, undefined> {
    const value = this.#items[this.#at]
    // The memory of what was read goes at once, not with its page.
    this.#items[this.#at++] = undefined
    if (this.#at === this.#items.length) {
      this.#items = this.#following ?? []
      this.#following = undefined
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
    if (state.kind !== 'open' || state.asked || this.#following !== undefined) return
    state.asked = true
    this.#source.next(state.held).then(
      (page) => this.#arrived(page),
      (reason: unknown) => this.#finish({ reason }),
    )
  }

  #opened(held: Held): void {
    if (this.#state.kind === 'over') {
      void held.release()
      return
    }
    this.#state = { kind: 'open', held, asked: false }
    this.#ask()
  }

  #arrived({ items, done }: Page): void {
    if (this.#state.kind !== 'open') return
    this.#state.asked = false
    if (items.length > 0) {
      if (this.#at < this.#items.length) this.#following = items
      else {
        this.#items = items
        this.#at = 0
      }
    }
    while (this.#waiters.length > 0 && this.#at < this.#items.length) this.#waiters.shift()?.resolve(this.#take())
    if (done) this.#finish(undefined)
    else this.#ask()
  }

  #finish(failure: { readonly reason: unknown } | undefined): void {
    const state = this.#state
    if (state.kind === 'over') return
    const over = { kind: 'over' as const, failure: failure as unknown }
    this.#state = over
    this.#source.over()
    if (state.kind === 'open') void state.held.release()
    for (const waiter of this.#waiters.splice(0)) this.#end(over).then(waiter.resolve, waiter.reject)
  }
}
