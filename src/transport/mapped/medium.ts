import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { BusbarError } from '../../errors/index.ts'
import type { ByteLink } from '../../link/index.ts'
import { RingReader, RingWriter } from '../../ring/index.ts'
import { BulkMemory } from '../bulk-memory.ts'
import { PipeBell } from './bell.ts'
import { type Libc, loadLibc, type Mapping } from './libc.ts'
import { MAX_RING_BYTES, RING_LIMITS, RING_OPTIONS } from './limits.ts'
import { RingPoller } from './poller.ts'
import { openRegion, regionBytes } from './region.ts'
import { checkedRingLimits, type ProgramRingLimits } from './settings.ts'
import { type Rings, RingStream } from './stream.ts'

/** Where the memory of two rings and their doorbells are: descriptors of the process that made them, which only its own user can open. */
export interface RingGrant {
  /** Process id of the bus. */
  readonly process: number
  readonly memory: number
  /** The pipes by which the caller's end and the service's end are woken. */
  readonly callerBell: number
  readonly serviceBell: number
  /** 0 for the caller's end, which writes the first ring; 1 for the service's. */
  readonly side: number
  /** 16 bytes that the region begins with, so that one made for another channel is noticed. */
  readonly key: Uint8Array
}

/** A stream that goes over to rings in memory that another process made. */
export class MappedStream extends RingStream {
  readonly #libc: Libc
  readonly #memory: BulkMemory

  /** Takes the link. */
  constructor(
    below: ByteLink,
    poller: RingPoller,
    libc: Libc,
    memory: BulkMemory = new BulkMemory(),
    limits: Partial<ProgramRingLimits> = {},
  ) {
    super(below, poller, limits)
    this.#libc = libc
    this.#memory = memory
  }

  /**
   * Maps what was granted. Throws `UNAVAILABLE` when the system does not let it, `MALFORMED`, `VERSION` or `STALE_EPOCH` when it is not what it
   * should be; the stream goes on as it was.
   */
  take(grant: RingGrant): void {
    this.prepare(mapRings(this.#libc, this.#memory, grant))
  }
}

/** A process's end of rings in mapped memory: one poller for all of them. */
export class RingMedium {
  readonly #libc: Libc
  readonly #poller: RingPoller
  readonly #limits: Partial<ProgramRingLimits>
  readonly #memory = new BulkMemory()

  /** `limits` say how a poller of its own looks, and what its streams take. Throws `INVALID_ARGUMENT` for what is no limit. */
  constructor(libc: Libc, poller?: RingPoller, limits: Partial<ProgramRingLimits> = {}) {
    const { window = RING_LIMITS.window, spin } = checkedRingLimits(limits)
    this.#libc = libc
    this.#poller = poller ?? new RingPoller(window, spin)
    this.#limits = limits
    this.#poller.use(libc)
  }

  /** Rejects with `UNAVAILABLE` where this machine has no rings. */
  static async load(poller?: RingPoller, limits?: Partial<ProgramRingLimits>): Promise<RingMedium> {
    return new RingMedium(await loadLibc(), poller, limits)
  }

  /** Makes a stream one that can go over to rings. Takes it. */
  wrap(below: ByteLink): MappedStream {
    return new MappedStream(below, this.#poller, this.#libc, this.#memory, this.#limits)
  }

  inspect(): unknown {
    return { ...this.#poller.inspect(), limits: this.#limits }
  }
}

function mapRings(libc: Libc, bulk: BulkMemory, grant: RingGrant): Rings {
  const { process, memory, callerBell, serviceBell, side, key } = grant
  if (side !== 0 && side !== 1) throw new BusbarError('MALFORMED', `side ${side} of two rings`)
  const descriptors: number[] = []
  const open = (fd: number, mode: number): number => {
    const opened = openDescriptor(process, fd, mode)
    descriptors.push(opened)
    return opened
  }
  let mapping: Mapping | undefined
  try {
    mapping = mapMemory(libc, process, memory)
    const [first, second] = openRegion(mapping.bytes, key)
    const [own, other] = side === 0 ? [callerBell, serviceBell] : [serviceBell, callerBell]
    const bell = new PipeBell(
      open(own, constants.O_RDONLY | constants.O_NONBLOCK),
      open(other, constants.O_WRONLY | constants.O_NONBLOCK),
    )
    if (!descriptors.every((fd) => fstatSync(fd).isFIFO()))
      throw new BusbarError('MALFORMED', 'a doorbell that is no pipe')
    return {
      writer: new RingWriter(side === 0 ? first : second, RING_OPTIONS),
      reader: new RingReader(side === 0 ? second : first, { ...RING_OPTIONS, allocate: (bytes) => bulk.take(bytes) }),
      bell,
      release: mapping.release,
    }
  } catch (thrown) {
    mapping?.release()
    for (const fd of descriptors) closeSync(fd)
    throw thrown
  }
}

function mapMemory(libc: Libc, process: number, memory: number): Mapping {
  const fd = openDescriptor(process, memory, constants.O_RDWR)
  try {
    const { size } = fstatSync(fd)
    if (size > regionBytes(MAX_RING_BYTES)) throw new BusbarError('MALFORMED', `a region of ${size} bytes`)
    if (!libc.isFixed(fd)) throw new BusbarError('MALFORMED', 'a region whose length others can change')
    return libc.map(fd, size)
  } finally {
    closeSync(fd)
  }
}

/** Opens what another process of this user has open. */
function openDescriptor(process: number, fd: number, mode: number): number {
  try {
    return openSync(`/proc/${process}/fd/${fd}`, mode)
  } catch (thrown) {
    throw new BusbarError('UNAVAILABLE', 'the memory for rings could not be opened', { cause: thrown, stage: 'map' })
  }
}
