import { BusbarError } from '../errors/index.ts'
import { COPY_BELOW, type Env, type Marshaller, type Page } from '../rpc/index.ts'
import { Consumer } from './consumer.ts'
import { MAX_ASKED, type ObjectLimits } from './limits.ts'

/** What the caller of `next` has room for. */
interface Room {
  readonly maxItems: number
  readonly maxBytes: number
}

/** Whose stream it is: told when the stream is over, with a reason if its reader left. */
interface StreamOwner {
  end(reason?: BusbarError): void
}

type Source = Iterator<unknown> | AsyncIterator<unknown>
type Step = IteratorResult<unknown>

/**
 * The serving side of one stream. Items are taken from the component only when the caller asked for them, and a page
 * leaves as soon as no further item is ready, so nothing waits for a page to fill and nothing piles up.
 */
export class Producer {
  /** Whether the items come from a third party: then so do the failures. */
  readonly passedOn: boolean
  /** Whether nobody on this side sees the items: references among them are this side's for no longer than their page. */
  readonly borrowed: boolean
  readonly #source: Source
  readonly #context: StreamOwner
  readonly #env: Env
  readonly #limits: ObjectLimits
  readonly #page: Marshaller
  readonly #unsent: (items: readonly unknown[]) => void
  /** The item that is being made while no caller waits for it. */
  #coming: Promise<Step> | undefined
  /** What the next page begins with: an item that did not fit the last one. */
  #left: { readonly item: unknown } | undefined
  #failure: { readonly thrown: unknown } | undefined
  #ended = false
  #wake: ((reason: BusbarError) => void) | undefined
  /** Pages that were asked for and have not left, and when the last of them has. */
  #asked = 0
  #last: Promise<unknown> = Promise.resolve()
  #gone: BusbarError | undefined

  /**
   * Takes what the component returned; `BAD_VALUE` when it cannot be iterated. `page` marshals the pages. `unsent` is told of items that the
   * component has made and that will not be sent.
   */
  constructor(
    returned: unknown,
    path: string,
    page: Marshaller,
    context: StreamOwner,
    env: Env,
    limits: ObjectLimits,
    passedOn: boolean,
    unsent: (items: readonly unknown[]) => void,
  ) {
    this.passedOn = passedOn
    this.borrowed = returned instanceof Consumer
    this.#unsent = unsent
    this.#source = open(returned, path)
    this.#page = page
    this.#context = context
    this.#env = env
    this.#limits = limits
  }

  /** The next page. Several may be asked for: they are filled one after the other, in that order. */
  async next(room: Room): Promise<Page> {
    if (this.#asked >= MAX_ASKED) {
      throw new BusbarError('BUSY', `${MAX_ASKED} pages of this stream were asked for already`)
    }
    const maxItems = Math.min(room.maxItems, this.#limits.pageItems)
    const maxBytes = Math.min(room.maxBytes, this.#limits.pageBytes)
    if (maxItems === 0 || maxBytes === 0) throw new BusbarError('INVALID_ARGUMENT', 'no room for a single item')
    this.#asked++
    const filled = this.#last.then(() => this.#fill(maxItems, maxBytes))
    this.#last = filled.catch(() => {})
    try {
      return await filled
    } finally {
      this.#asked--
      this.#wake = undefined
    }
  }

  /** The caller left or is gone: the component hears it at once, through its signal and through its iterator. */
  [Symbol.dispose](): void {
    this.end(new BusbarError('CANCELLED', 'the caller left the stream'))
  }

  /** The same for another reason, which a reader that goes on asking is told. */
  end(reason: BusbarError): void {
    if (this.#gone !== undefined) return
    this.#gone = reason
    this.#wake?.(reason)
    this.#context.end(this.#ended ? undefined : reason)
    if (this.#left !== undefined) this.#unsent([this.#left.item])
    this.#left = undefined
    if (this.#ended) return
    void this.#coming?.then((step) => {
      if (step.done !== true) this.#unsent([step.value])
    })
    try {
      void Promise.resolve(this.#source.return?.()).catch(() => {})
    } catch {
      // The stream is over, and nobody is left who could be told.
    }
  }

  async #fill(maxItems: number, maxBytes: number): Promise<Page> {
    if (this.#gone !== undefined) throw this.#gone
    const items: unknown[] = []
    let bytes = 0
    let patience: Promise<undefined> | undefined
    while (items.length < maxItems) {
      let item: unknown
      if (this.#left !== undefined) {
        item = this.#left.item
        this.#left = undefined
      } else {
        if (items.length > 0) patience ??= new Promise((resolve) => this.#env.post(() => resolve(undefined)))
        const step = await this.#step(patience, items.length === 0)
        if (step === undefined) break
        if (step.done === true) return { items, done: true }
        item = step.value
      }
      bytes += this.#page.measure({ items: [item], done: false })
      if (bytes > maxBytes && items.length > 0) {
        this.#left = { item }
        break
      }
      items.push(item)
    }
    return { items, done: false }
  }

  /** The next item; `undefined` when `patience` ends first or when a failure must wait until `items` are delivered. */
  async #step(patience: Promise<undefined> | undefined, first: boolean): Promise<Step | undefined> {
    if (this.#ended) return { done: true, value: undefined }
    if (this.#failure === undefined) {
      this.#coming ??= this.#advance()
      const coming = this.#coming
      const step = await (patience === undefined ? this.#orGone(coming) : Promise.race([coming, patience]))
      if (this.#gone !== undefined && first) throw this.#gone
      if (step === undefined || this.#gone !== undefined) return undefined
      this.#coming = undefined
      if (this.#failure === undefined) {
        if (step.done === true) this.#finish()
        return step
      }
    }
    if (!first) return undefined
    this.#finish()
    throw (this.#failure as { thrown: unknown } | undefined)?.thrown
  }

  /** Never rejects: a failure is kept until its turn comes. */
  async #advance(): Promise<Step> {
    try {
      return await this.#source.next()
    } catch (thrown) {
      this.#failure = { thrown }
      return { done: true, value: undefined }
    }
  }

  #orGone(coming: Promise<Step>): Promise<Step> {
    return new Promise((resolve, reject) => {
      this.#wake = reject
      coming.then(resolve, reject)
    })
  }

  #finish(): void {
    this.#ended = true
    this.#context.end()
  }
}

function open(returned: unknown, path: string): Source {
  const iterable = returned as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined
  if (typeof iterable === 'object' && iterable !== null) {
    const { [Symbol.asyncIterator]: isAsync, [Symbol.iterator]: isSync } = iterable
    if (typeof isAsync === 'function') return isAsync.call(iterable)
    if (typeof isSync === 'function') return isSync.call(iterable)
  }
  throw new BusbarError('BAD_VALUE', `${path}: the component returned something that cannot be iterated`)
}

/** Whether there are items in it that are better sent from where they lie: those of a stream belong to it once they were yielded. */
export function isLong({ items }: Page): boolean {
  const [first] = items
  return first instanceof Uint8Array && first.length >= COPY_BELOW
}
