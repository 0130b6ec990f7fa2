import type { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, flow, type LinkSink } from '../../link/index.ts'
import { RpcAccess } from '../../rpc/index.ts'

type AccessEvents = Parameters<RpcAccess['start']>[0]

/** What somebody in the middle takes out of a bind, as a peer would be that never heard of it. */
export interface BindMask {
  /** Feature bits that are left of those that were offered. */
  readonly features: number
  /** Whether several calls may be outstanding. */
  readonly multiplexing: boolean
}

/** Fixed by DCE/RPC. */
const BIND = 11
const FLAGS_AT = 3
const CONC_MPX = 0x10
/** First half of the pseudo transfer syntax that offers features, as it is on the wire: the bits follow it. */
const FEATURES_PREFIX = Buffer.from('2c1cb76c12984045', 'hex')

/** Fragments of different calls may mix (our own feature bit). */
export const INTERLEAVED = 0x80
/** The association outlives an orphaned call. */
export const KEEP_ON_ORPHAN = 2

/** A pipe whose bind arrives with less in it than the client offers. Everything else passes as it is. */
export class MaskedLink implements ByteLink {
  readonly #below: ByteLink
  readonly #mask: BindMask
  #first = true

  /** Takes the link. */
  constructor(below: ByteLink, mask: BindMask) {
    this.#below = below
    this.#mask = mask
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#below.closed
  }

  get batch(): number | undefined {
    return this.#below.batch
  }

  read(): Awaitable<Uint8Array | undefined> {
    return this.#below.read()
  }

  flow(sink: LinkSink): void {
    flow(this.#below, sink)
  }

  write(chunk: Uint8Array): Awaitable<void> {
    const first = this.#first
    this.#first = false
    return this.#below.write(first ? this.#masked(chunk) : chunk)
  }

  end(): Awaitable<void> {
    return this.#below.end()
  }

  close(reason?: BusbarError): void {
    this.#below.close(reason)
  }

  /** A bind leaves in one piece, before anything else. */
  #masked(chunk: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(chunk)
    if (bytes[2] !== BIND) throw new Error('an association begins with something else than a bind')
    const { features, multiplexing } = this.#mask
    if (!multiplexing) bytes[FLAGS_AT] = (bytes[FLAGS_AT] ?? 0) & ~CONC_MPX
    const at = Buffer.from(bytes.buffer).indexOf(FEATURES_PREFIX) + FEATURES_PREFIX.length
    bytes[at] = (bytes[at] ?? 0) & features
    return bytes
  }
}

/** What the server of a caller does with its link, seen. */
export class WatchedAccess extends RpcAccess {
  /** It is being read, or was. */
  begun = false
  readonly #clogged: () => void

  /** Takes the link. `clogged` is told when nothing more is read of it because its caller left too many answers unread, on all its links. */
  constructor(link: ByteLink, clogged: () => void) {
    super(link)
    this.#clogged = clogged
  }

  override read(): void {
    this.begun = true
    super.read()
  }

  override start(events: AccessEvents, max: number, pauseAbove?: number, held?: boolean): void {
    const stalled = (stalls: boolean): void => {
      if (stalls && events.account?.clogged === true) this.#clogged()
      events.stalled?.(stalls)
    }
    super.start({ ...events, stalled }, max, pauseAbove, held)
  }
}
