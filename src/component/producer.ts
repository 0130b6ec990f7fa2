import { BusbarError } from '../errors/index.ts'
import type { Env, Marshaller, Page } from '../rpc/index.ts'
import { Consumer } from './consumer.ts'
import { MAX_ASKED, type ObjectLimits } from './limits.ts'

/** What the caller of `next` has room for. */
interface Room {
  readonly maxItems: number
  readonly maxBytes: number
}

/** The call that a page is the answer to. */
interface Answered {
  crowded?(relieved: () => void): boolean
}

/** Whose stream it is: told when the stream is over, with a reason if its reader left. */
interface StreamOwner {
  end(reason?: BusbarError): void
}

type Source = Iterator<unknown> | AsyncIterator<unknown>
type Step = IteratorResult<unknown>

const SETTLED: Promise<void> = Promise.resolve()

/** A page that was asked for and has not left. */
interface Asked {
  readonly maxItems: number
  readonly maxBytes: number
  readonly items: unknown[]
  bytes: number
  /** It leaves with what is in it when the work that is ready now has run. */
  leaving: boolean
  /** It has left, or was refused; the next one is filled when whoever waits for this one has it. */
  left: boolean
  /** Its answer would have to wait for those in front of it: it is filled later. */
  waits: boolean
  readonly call: Answered | undefined
  readonly resolve: (page: Page) => void
  readonly reject: (reason: unknown) => void
}

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
  /** Pages that were asked for and have not left: they are filled one after the other, in that order. */
  readonly #asked: Asked[] = []
  #filling = false
  /** The component makes an item, whether a caller waits for it or not. */
  #coming = false
  /** An item that came and is in no page. */
  #left: { readonly item: unknown } | undefined
  #failure: { readonly thrown: unknown } | undefined
  #ended = false
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

  /** The next page. Several may be asked for. */
  next(room: Room, call?: Answered): Promise<Page> {
    if (this.#asked.length >= MAX_ASKED) {
      return Promise.reject(new BusbarError('BUSY', `${MAX_ASKED} pages of this stream were asked for already`))
    }
    const maxItems = Math.min(room.maxItems, this.#limits.pageItems)
    const maxBytes = Math.min(room.maxBytes, this.#limits.pageBytes)
    if (maxItems === 0 || maxBytes === 0) {
      return Promise.reject(new BusbarError('INVALID_ARGUMENT', 'no room for a single item'))
    }
    let asked: Asked | undefined
    const page = new Promise<Page>((resolve, reject) => {
      asked = {
        maxItems,
        maxBytes,
        items: [],
        bytes: 0,
        leaving: false,
        left: false,
        waits: false,
        call,
        resolve,
        reject,
      }
    })
    this.#asked.push(asked as unknown as Asked)
    if (this.#asked.length === 1) this.#fill()
    // The next one is filled behind the answer with this one, which counts among those that wait then.
    page.then(this.#goOn, this.#goOn)
    return page
  }

  /** The caller left or is gone: the component hears it at once, through its signal and through its iterator. */
  [Symbol.dispose](): void {
    this.end(new BusbarError('CANCELLED', 'the caller left the stream'))
  }

  /** The same for another reason, which a reader that goes on asking is told. */
  end(reason: BusbarError): void {
    if (this.#gone !== undefined) return
    this.#gone = reason
    this.#fill()
    this.#context.end(this.#ended ? undefined : reason)
    if (this.#left !== undefined) this.#unsent([this.#left.item])
    this.#left = undefined
    if (this.#ended) return
    try {
      void Promise.resolve(this.#source.return?.()).catch(() => {})
    } catch {
      // The stream is over, and nobody is left who could be told.
    }
  }

  /** Fills the page that was asked for first, as far as items are there. */
  #fill(): void {
    // Whatever happens while the component is asked is looked at behind it.
    if (this.#filling) return
    this.#filling = true
    const [asked] = this.#asked
    if (asked !== undefined && !asked.left && this.#fillOne(asked)) asked.left = true
    this.#filling = false
  }

  /** Whether that page has left, or been refused. */
  #fillOne(asked: Asked): boolean {
    const { items, maxItems } = asked
    if (this.#gone === undefined && items.length === 0 && this.#waits(asked)) return false
    while (items.length < maxItems) {
      if (this.#gone !== undefined) {
        if (items.length > 0) break
        asked.reject(this.#gone)
        return true
      }
      if (this.#left === undefined && !this.#ended && this.#failure === undefined) {
        // What is not there at once comes to `#stepped`.
        if (!this.#coming && this.#advance()) continue
        if (items.length > 0) this.#leaveSoon(asked)
        return false
      }
      if (this.#left === undefined) return this.#over(asked)
      const { item } = this.#left
      let bytes: number
      try {
        bytes = asked.bytes + this.#page.measure({ items: [item], done: false })
      } catch (thrown) {
        this.#left = undefined
        asked.reject(thrown)
        return true
      }
      if (bytes > asked.maxBytes && items.length > 0) break
      this.#left = undefined
      asked.bytes = bytes
      items.push(item)
    }
    asked.resolve({ items, done: false })
    return true
  }

  /** Whether answers wait that are not read: then nothing is made for this one yet, and other calls have their turn before it is. */
  #waits(asked: Asked): boolean {
    if (asked.waits) return true
    asked.waits =
      asked.call?.crowded?.(() => {
        this.#env.post(() => {
          asked.waits = false
          this.#fill()
        })
      }) === true
    return asked.waits
  }

  /** Nothing more comes. A failure waits until the items in front of it are delivered. */
  #over({ items, resolve, reject }: Asked): true {
    if (this.#failure === undefined || items.length > 0) {
      resolve({ items, done: this.#failure === undefined })
      return true
    }
    const { thrown } = this.#failure
    this.#failure = undefined
    this.#finish()
    reject(thrown)
    return true
  }

  /** Whoever waits for items gets those that are there once the work that is ready now has brought no more. */
  #leaveSoon(asked: Asked): void {
    if (asked.leaving) return
    asked.leaving = true
    this.#env.post(() => {
      if (asked.left) return
      asked.left = true
      asked.resolve({ items: asked.items, done: false })
    })
  }

  /** Asks the component for an item; whether it was there at once. */
  #advance(): boolean {
    try {
      const step = this.#source.next()
      if (!isPromise(step)) return this.#took(step)
      this.#coming = true
      Promise.resolve(step).then(this.#stepped, this.#failed)
      return false
    } catch (thrown) {
      this.#failure = { thrown }
      return true
    }
  }

  readonly #stepped = (step: Step): void => {
    this.#coming = false
    try {
      this.#took(step)
    } catch (thrown) {
      this.#failure = { thrown }
    }
    this.#fill()
  }

  /** Behind whoever waits for the page that has left. */
  readonly #goOn = (): void => void SETTLED.then(this.#more)
  readonly #more = (): void => {
    this.#asked.shift()
    this.#fill()
  }

  readonly #failed = (thrown: unknown): void => {
    this.#coming = false
    this.#failure = { thrown }
    this.#fill()
  }

  #took(step: Step): true {
    if (step.done === true) this.#finish()
    // Nobody waits for it any more.
    else if (this.#gone !== undefined) this.#unsent([step.value])
    else this.#left = { item: step.value }
    return true
  }

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#context.end()
  }
}

function isPromise(step: Step | Promise<Step>): step is Promise<Step> {
  return typeof (step as Partial<Promise<Step>> | undefined)?.then === 'function'
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
