import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { BusbarError } from '../../errors/index.ts'
import type { ByteLink } from '../../link/index.ts'
import { PAGE_BYTES, RingReader, RingWriter } from '../../ring/index.ts'
import type { Bell } from './bell.ts'
import { type Libc, loadLibc, type Mapping } from './libc.ts'
import { MACHINE_WINDOW, MAX_RING_BYTES, RING_OPTIONS } from './limits.ts'
import { RingPoller } from './poller.ts'
import { openRegion, regionBytes } from './region.ts'
import { regionPath } from './region-device.ts'
import { checkedRingLimits, type ProgramRingLimits } from './settings.ts'
import { RingStream } from './stream.ts'

/** Where two rings are in memory that this machine shares with another. */
export interface PlaceGrant {
  /** Number of the region, on this machine. */
  readonly region: number
  /** From its start, `bytes`; whole pages. */
  readonly offset: number
  readonly length: number
  /** 0 for the caller's end, which writes the first ring; 1 for the service's. */
  readonly side: number
  /** 16 bytes that the place begins with, so that one made for another channel is noticed. */
  readonly key: Uint8Array
}

/** How an end speaks to the other, and to whoever gave the place. */
export interface PlaceSignals {
  ring(): void
  released(): void
}

/** Between machines nothing wakes the other side but a message through the bus. */
class MessageBell implements Bell {
  readonly ring: () => void
  #heard: (() => void) | undefined

  constructor(ring: () => void) {
    this.ring = ring
  }

  listen(heard: () => void): void {
    this.#heard = heard
  }

  rung(): void {
    this.#heard?.()
  }

  close(): void {
    this.#heard = undefined
  }
}

/** A stream that goes over to rings in memory that two machines share. */
export class PlacedStream extends RingStream {
  readonly #libc: Libc
  readonly #pathOf: (region: number) => string
  #bell: MessageBell | undefined

  /** Takes the link. */
  constructor(
    below: ByteLink,
    poller: RingPoller,
    libc: Libc,
    pathOf: (region: number) => string,
    limits: Partial<ProgramRingLimits> = {},
  ) {
    super(below, poller, limits)
    this.#libc = libc
    this.#pathOf = pathOf
  }

  /**
   * Maps the place. Throws `UNAVAILABLE` when the system does not let it, `MALFORMED`, `VERSION` or `STALE_EPOCH` when it is not what it should
   * be; the stream goes on as it was. `signals.released` is called once in any case, when it is not mapped any more.
   */
  take(grant: PlaceGrant, signals: PlaceSignals): void {
    let mapping: Mapping | undefined
    const release = (): void => {
      mapping?.release()
      signals.released()
    }
    try {
      const { side, key } = grant
      if (side !== 0 && side !== 1) throw new BusbarError('MALFORMED', `side ${side} of two rings`)
      mapping = mapPlace(this.#libc, this.#pathOf(grant.region), grant)
      const [first, second] = openRegion(mapping.bytes, key)
      const bell = new MessageBell(signals.ring)
      this.#bell = bell
      this.prepare({
        writer: new RingWriter(side === 0 ? first : second, RING_OPTIONS),
        reader: new RingReader(side === 0 ? second : first, RING_OPTIONS),
        bell,
        release,
      })
    } catch (thrown) {
      release()
      throw thrown
    }
  }

  /** The other side rang. */
  rung(): void {
    this.#bell?.rung()
  }
}

/** A program's end of rings in memory that its machine shares with others: one poller for all of them. */
export class PlaceMedium {
  readonly maps = 'places'
  readonly #libc: Libc
  readonly #poller: RingPoller
  readonly #pathOf: (region: number) => string
  readonly #limits: Partial<ProgramRingLimits>

  /** `pathOf`: the file of the memory of a region. `limits`: as for `RingMedium`. */
  constructor(
    libc: Libc,
    poller?: RingPoller,
    pathOf: (region: number) => string = regionPath,
    limits: Partial<ProgramRingLimits> = {},
  ) {
    const { window = MACHINE_WINDOW, spin } = checkedRingLimits(limits)
    this.#libc = libc
    this.#poller = poller ?? new RingPoller(window, spin)
    this.#pathOf = pathOf
    this.#limits = limits
  }

  /** Rejects with `UNAVAILABLE` where this machine has no rings. */
  static async load(poller?: RingPoller, limits?: Partial<ProgramRingLimits>): Promise<PlaceMedium> {
    return new PlaceMedium(await loadLibc(), poller, regionPath, limits)
  }

  /** Makes a stream one that can go over to rings. Takes it. */
  wrap(below: ByteLink): PlacedStream {
    return new PlacedStream(below, this.#poller, this.#libc, this.#pathOf, this.#limits)
  }

  inspect(): unknown {
    return { ...this.#poller.inspect(), limits: this.#limits }
  }
}

/** No machine can make it shorter for the other: the memory of a device stays as long as the device. */
function mapPlace(libc: Libc, path: string, { offset, length }: PlaceGrant): Mapping {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDWR)
  } catch (thrown) {
    throw new BusbarError('UNAVAILABLE', 'the memory that the machines share could not be opened', {
      cause: thrown,
      stage: 'map',
    })
  }
  try {
    const { size } = fstatSync(fd)
    if (length > regionBytes(MAX_RING_BYTES)) throw new BusbarError('MALFORMED', `a place of ${length} bytes`)
    if (offset % PAGE_BYTES !== 0 || offset > size || length > size - offset) {
      throw new BusbarError('MALFORMED', `${length} bytes at ${offset}, in a region of ${size}`)
    }
    return libc.map(fd, length, offset)
  } finally {
    closeSync(fd)
  }
}
