import type { Caller, Carrier, CarrierStream, Endpoint, Incoming, Offer, OfferOptions } from '../../bus/index.ts'
import type { ByteLink, Awaitable } from '../../link/index.ts'
import type { BusbarError } from '../../errors/index.ts'

/** A request for a channel, on all its way. */
export interface Asked {
  /** Whose link it came in on. */
  readonly caller: Caller
  /** What the policy said to it, once it was asked. */
  decision: { readonly question: string; readonly allowed: boolean } | undefined
  reached: boolean
}

/** The request behind a stream of a carrier that the far side opened. */
type RequestOf = (id: number) => Asked | undefined

/**
 * Who each channel is from: told by the links that the request for it came over, whatever the bytes and the bus say. Whoever hands a request on
 * opens the stream for it in the turn in which he took the stream of the caller.
 */
export class Origins {
  /** The request whose stream was taken last, until one is opened for it. */
  #asking: Asked | undefined
  /** The serving side of each carrier, by the dialling one, or by the key that the dialling one got. */
  readonly #served = new Map<Carrier | string, WatchedCarrier>()

  /** The serving side of a session, seen; `dialled` is the other side, where that is known. */
  serve(carrier: Carrier, owner: Caller, dialled?: Carrier): Carrier {
    const begin = (): Asked => ({ caller: owner, decision: undefined, reached: false })
    const watched = new WatchedCarrier(carrier, begin, this.#watch)
    this.#served.set(dialled ?? keyOf(carrier), watched)
    return watched
  }

  /** The dialling side of a session, of somebody who hands on what comes in on it. */
  handOn(carrier: Carrier): Carrier {
    return new WatchedCarrier(carrier, (id) => this.of(carrier, id), this.#watch)
  }

  /** The request that is being decided, if one is. */
  get asking(): Asked | undefined {
    return this.#asking
  }

  /** What the serving side opened the channel under this id for. */
  of(dialled: Carrier, id: number): Asked | undefined {
    return (this.#served.get(dialled) ?? this.#served.get(keyOf(dialled)))?.opened.get(id)
  }

  readonly #watch: Watch = {
    took: (asked) => {
      this.#asking = asked
    },
    opens: () => {
      const asking = this.#asking
      this.#asking = undefined
      return asking
    },
  }
}

interface Watch {
  took(asked: Asked | undefined): void
  opens(): Asked | undefined
}

/** A carrier of which it is known what each stream of it was opened for. */
class WatchedCarrier implements Carrier {
  readonly opened = new Map<number, Asked | undefined>()
  readonly #of: Carrier
  readonly #request: RequestOf
  readonly #watch: Watch

  constructor(of: Carrier, request: RequestOf, watch: Watch) {
    this.#of = of
    this.#request = request
    this.#watch = watch
  }

  get control(): Awaitable<ByteLink> {
    return this.#of.control
  }

  get token(): Uint8Array {
    return this.#of.token
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#of.closed
  }

  authorise(token: Uint8Array): void {
    this.#of.authorise(token)
  }

  open(unwanted: AbortSignal): CarrierStream {
    const stream = this.#of.open(unwanted)
    this.opened.set(stream.id, this.#watch.opens())
    return stream
  }

  claim(id: number, unwanted: AbortSignal): Awaitable<ByteLink> {
    this.#watch.took(this.#request(id))
    return this.#of.claim(id, unwanted)
  }

  inspect(): unknown {
    return this.#of.inspect()
  }

  close(reason?: BusbarError): void {
    this.#of.close(reason)
  }
}

function keyOf({ token }: Carrier): string {
  return Buffer.from(token).toString('hex')
}

/** The endpoint, with `came` told of each opening before it is decided. */
export function toldOfOpenings(endpoint: Endpoint, came: (opening: Incoming, caller: Caller) => void): Endpoint {
  const offer = (service: string, options: OfferOptions): Promise<Offer> =>
    endpoint.offer(service, {
      ...options,
      decide: (opening, caller) => {
        came(opening, caller)
        return options.decide(opening, caller)
      },
    })
  return new Proxy(endpoint, {
    get(target, name) {
      if (name === 'offer') return offer
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
