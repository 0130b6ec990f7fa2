/** Links in another thread or process, used from here: what is called here is called there, in the same order. */
import { BusbarError, type ErrorCode } from '../../src/errors/index.ts'
import type { Awaitable, ByteLink, MessageLink } from '../../src/link/index.ts'

/** A way to the other side that keeps order and copies plain data. */
export interface Talk {
  post(message: unknown, transfer?: readonly unknown[]): void
  listen(heard: (message: unknown) => void): void
}

interface Asked {
  readonly id: number
  /** Of the link; `open` gives it. */
  readonly link: number
  readonly what: 'open' | 'read' | 'write' | 'end' | 'close' | 'turn'
  readonly value?: unknown
}

type Failure = readonly [code: ErrorCode, text: string]

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly failure?: Failure
}

interface Closed {
  readonly link: number
  readonly closed: Failure | undefined
}

const failureOf = (thrown: unknown): Failure => {
  const { code, message } = BusbarError.from(thrown)
  return [code, message]
}

/** The side that is asked: `open` makes a link, and everything else is done to it. */
export function serveEnds(talk: Talk, open: (value: unknown) => Awaitable<ByteLink>): void {
  const links = new Map<number, ByteLink>()
  const act = async ({ link: number, what, value }: Asked): Promise<unknown> => {
    const link = links.get(number)
    switch (what) {
      case 'open': {
        const opened = await open(value)
        links.set(number, opened)
        void opened.closed.then((reason) => {
          talk.post({ link: number, closed: reason === undefined ? undefined : failureOf(reason) } satisfies Closed)
        })
        return undefined
      }
      case 'turn':
        return new Promise((resolve) => setImmediate(() => resolve(undefined)))
      case 'read':
        return link?.read()
      case 'write':
        return link?.write(value as Uint8Array)
      case 'end':
        return link?.end()
      case 'close': {
        const failure = value as Failure | undefined
        return link?.close(failure === undefined ? undefined : new BusbarError(...failure))
      }
      default:
        return what satisfies never
    }
  }
  talk.listen((message) => {
    const asked = message as Asked
    act(asked).then(
      (value) => talk.post({ id: asked.id, value } satisfies Answer),
      (thrown: unknown) => talk.post({ id: asked.id, failure: failureOf(thrown) } satisfies Answer),
    )
  })
}

/** The side that asks. */
export class FarEnds {
  readonly #talk: Talk
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #links = new Map<number, FarLink>()
  #last = 0

  constructor(talk: Talk) {
    this.#talk = talk
    talk.listen((message) => {
      const heard = message as Answer | Closed
      if ('link' in heard) return this.#links.get(heard.link)?.over(heard.closed)
      this.#waiting.get(heard.id)?.(heard)
      this.#waiting.delete(heard.id)
    })
  }

  async open(value?: unknown, transfer?: readonly unknown[]): Promise<FarLink> {
    const number = ++this.#last
    const link = new FarLink((what, given) => this.#ask({ link: number, what, value: given }))
    this.#links.set(number, link)
    await this.#ask({ link: number, what: 'open', value }, transfer)
    return link
  }

  /** One macrotask there, and the way there and back. */
  readonly turn = async (): Promise<void> => {
    await this.#ask({ link: 0, what: 'turn' })
  }

  #ask(asked: Omit<Asked, 'id'>, transfer?: readonly unknown[]): Promise<unknown> {
    const id = ++this.#last
    this.#talk.post({ ...asked, id }, transfer)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, failure }) => {
        if (failure === undefined) resolve(value)
        else reject(new BusbarError(...failure))
      })
    })
  }
}

/** One of them: a link, and in message mode a message link. */
export class FarLink implements MessageLink {
  readonly maxMessage = 65_528
  readonly closed: Promise<BusbarError | undefined>
  readonly over: (failure: Failure | undefined) => void
  readonly #ask: (what: Asked['what'], value?: unknown) => Promise<unknown>
  /** The reason that was given here: the same object comes back. */
  #given: BusbarError | undefined

  constructor(ask: (what: Asked['what'], value?: unknown) => Promise<unknown>) {
    this.#ask = ask
    let settle: (failure: Failure | undefined) => void = () => {}
    this.closed = new Promise((resolve) => {
      settle = (failure) => resolve(failure === undefined ? undefined : this.#same(new BusbarError(...failure)))
    })
    this.over = settle
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#settled(this.#ask('read')) as Promise<Uint8Array | undefined>
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#settled(this.#ask('write', chunk)) as Promise<void>
  }

  end(): Promise<void> {
    return this.#settled(this.#ask('end')) as Promise<void>
  }

  close(reason?: BusbarError): void {
    this.#given ??= reason
    void this.#ask('close', reason === undefined ? undefined : failureOf(reason))
  }

  #settled(asked: Promise<unknown>): Promise<unknown> {
    const settled = asked.catch((thrown: unknown) => {
      throw this.#same(BusbarError.from(thrown))
    })
    settled.catch(() => {})
    return settled
  }

  #same(error: BusbarError): BusbarError {
    const given = this.#given
    return given !== undefined && given.code === error.code && given.message === error.message ? given : error
  }
}
