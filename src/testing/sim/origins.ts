import type { Caller, Carrier, CarrierStream, Endpoint, Incoming, Offer, OfferOptions } from '../../bus/index.ts'
import type { ByteLink, Awaitable } from '../../link/index.ts'
import type { BusbarError } from '../../errors/index.ts'

/** Whom the streams of a carrier that the far side opened belong to. */
type OwnerOf = (id: number) => Caller | undefined

/**
 * Who each channel is from: told by the links that the request for it came over, whatever the bytes and the bus say. Whoever hands a request on
 * opens the stream for it in the turn in which he took the stream of the caller.
 */
export class Origins {
  /** Whose stream was taken last, until one is opened for it. */
  #asking: Caller | undefined
  /** The serving side of each carrier, by the dialling one, or by the key that the dialling one got. */
  readonly #served = new Map<Carrier | string, WatchedCarrier>()

  /** The serving side of a session, seen; `dialled` is the other side, where that is known. */
  serve(carrier: Carrier, owner: Caller, dialled?: Carrier): Carrier {
    const watched = new WatchedCarrier(carrier, () => owner, this.#watch)
    this.#served.set(dialled ?? keyOf(carrier), watched)
    return watched
  }

  /** The dialling side of a session, of somebody who hands on what comes in on it. */
  handOn(carrier: Carrier): Carrier {
    return new WatchedCarrier(carrier, (id) => this.of(carrier, id), this.#watch)
  }

  /** Who is behind the channel that the serving side opened under this id. */
  of(dialled: Carrier, id: number): Caller | undefined {
    return (this.#served.get(dialled) ?? this.#served.get(keyOf(dialled)))?.opened.get(id)
  }

  readonly #watch: Watch = {
    took: (owner) => {
      this.#asking = owner
    },
    asking: () => {
      const asking = this.#asking
      this.#asking = undefined
      return asking
    },
  }
}

interface Watch {
  took(owner: Caller | undefined): void
  asking(): Caller | undefined
}

/** A carrier of which it is known for whom each stream of it was opened. */
class WatchedCarrier implements Carrier {
  readonly opened = new Map<number, Caller | undefined>()
  readonly #of: Carrier
  readonly #owner: OwnerOf
  readonly #watch: Watch

  constructor(of: Carrier, owner: OwnerOf, watch: Watch) {
    this.#of = of
    this.#owner = owner
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
    this.opened.set(stream.id, this.#watch.asking())
    return stream
  }

  claim(id: number, unwanted: AbortSignal): Awaitable<ByteLink> {
    this.#watch.took(this.#owner(id))
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
