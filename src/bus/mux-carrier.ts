import { BusbarError } from '../errors/index.ts'
import type { Awaitable, ByteLink, Env } from '../link/index.ts'
import { type MuxLimits, MuxSession, type MuxStream } from '../mux/index.ts'
import type { Carrier, CarrierStream } from './carrier.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'

/** Streams that the peer opened and has not named in `openChannel` yet: it may open all its channels in one burst. */
const MAX_UNCLAIMED = DEFAULT_BUS_LIMITS.channels

/**
 * What differs from the mux's own defaults: the other end is on this computer, so a window that grows and a deep queue carry
 * no more bytes, they only stand in front of the next small call. With both a call under bulk took 1.4 ms, now 0.7.
 */
const NEARBY: Partial<MuxLimits> = { window: 262_144, linkQueue: 65_536 }

const NO_TOKEN: Uint8Array = new Uint8Array(16)

export interface MuxCarrierOptions {
  /** `partition` opens the control stream, `bus` waits for it. */
  side: 'partition' | 'bus'
  env: Env
  limits?: Partial<MuxLimits>
}

/** A session in one byte link: yamux, with stream 1 as the control stream. */
export class MuxCarrier implements Carrier {
  readonly token: Uint8Array = NO_TOKEN
  readonly control: Awaitable<ByteLink>
  readonly #mux: MuxSession
  readonly #unclaimed = new Map<number, MuxStream>()
  #controlOpened: ((stream: MuxStream) => void) | undefined

  /** Takes the link: closing the carrier closes it. */
  constructor(link: ByteLink, { side, env, limits }: MuxCarrierOptions) {
    if (side === 'bus') {
      this.control = new Promise((resolve) => {
        this.#controlOpened = resolve
      })
    }
    this.#mux = new MuxSession(link, {
      role: side === 'bus' ? 'server' : 'client',
      env,
      limits: { ...NEARBY, ...limits },
      onStream: (stream) => this.#opened(stream),
    })
    if (side === 'partition') this.control = this.#mux.open()
    else this.control ??= Promise.reject(new BusbarError('INTERNAL', 'no control stream'))
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#mux.closed
  }

  authorise(): void {}

  open(): CarrierStream {
    const link = this.#mux.open()
    return { id: link.id, link }
  }

  claim(id: number): Awaitable<ByteLink> {
    const stream = this.#unclaimed.get(id)
    if (stream === undefined) throw new BusbarError('PROTOCOL', `no unclaimed stream ${id}`)
    this.#unclaimed.delete(id)
    return stream
  }

  ping(): Promise<number> {
    return this.#mux.ping()
  }

  close(reason?: BusbarError): void {
    this.#unclaimed.clear()
    this.#mux.close(reason)
  }

  inspect(): unknown {
    return { kind: 'mux', unclaimed: this.#unclaimed.size, mux: this.#mux.inspect() }
  }

  #opened(stream: MuxStream): void {
    if (this.#controlOpened !== undefined && stream.id === 1) {
      this.#controlOpened(stream)
      this.#controlOpened = undefined
      return
    }
    if (this.#unclaimed.size >= MAX_UNCLAIMED) {
      stream.close(new BusbarError('LIMIT', `more than ${MAX_UNCLAIMED} streams that nothing was said about`))
      return
    }
    this.#unclaimed.set(stream.id, stream)
    void stream.closed.then(() => this.#unclaimed.delete(stream.id))
  }
}
