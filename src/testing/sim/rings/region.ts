import { CELLS, PAGE_BYTES, RingReader, RingWriter } from '../../../ring/index.ts'
import {
  type Bell,
  formatRegion,
  openRegion,
  regionBytes,
  type Rings,
  type RingStream,
} from '../../../transport/index.ts'
import type { SimNode } from '../node.ts'
import type { SimRandom } from '../random.ts'
import type { Report } from '../report.ts'
import type { Scheduler } from '../scheduler.ts'
import type { Plants } from '../plants.ts'
import type { SimPoller } from './poller.ts'
import { WatchedRing } from './watched-ring.ts'

/** Bytes of a packet at most, as both sides know. */
const LONGEST = 65_536
/** Control pages are compared so often: each so many looks (our choice: it costs a page). */
const PAGE_TURN = 64

/** One end of a region, once it has it. */
interface RegionEnd {
  readonly node: SimNode
  readonly stream: RingStream
  readonly poller: SimPoller
  heard: (() => void) | undefined
  over: boolean
}

/** What the world gives a region. */
export interface RegionWorld {
  readonly scheduler: Scheduler
  readonly random: SimRandom
  readonly report: Report
  readonly plants: Plants
}

/** The memory of the two rings of one channel, with the doorbells between its ends. End 0 writes the first ring. */
export class SimRegion {
  readonly id: number
  readonly #world: RegionWorld
  readonly #bytes: Uint8Array
  readonly #rings: readonly [WatchedRing, WatchedRing]
  readonly #ends: [RegionEnd | undefined, RegionEnd | undefined] = [undefined, undefined]
  /** A doorbell to that end is on its way. */
  readonly #ringing: [boolean, boolean] = [false, false]
  /** What each end published last: which of its doorbells is rung. */
  readonly #last: ['data' | 'space', 'data' | 'space'] = ['data', 'data']
  #page: Uint8Array | undefined
  #looks = 0
  readonly #bus: SimNode
  /** The bus that made it has not given it back. */
  kept = true

  constructor(id: number, dataBytes: number, key: Uint8Array, bus: SimNode, world: RegionWorld) {
    this.id = id
    this.#bus = bus
    this.#world = world
    const size = PAGE_BYTES + dataBytes
    this.#bytes = new Uint8Array(new ArrayBuffer(regionBytes(dataBytes)))
    const ring = (at: 0 | 1): WatchedRing =>
      new WatchedRing(
        this.#bytes.subarray(PAGE_BYTES + at * size, PAGE_BYTES + (at + 1) * size),
        (cell) => {
          if (cell === CELLS.WRITE_INDEX) this.#last[at] = 'data'
          else this.#last[at === 0 ? 1 : 0] = 'space'
        },
        (what) => this.#world.report.fail('I17', `ring ${at} of region ${this.id}: ${what} after both sides had it`),
      )
    this.#rings = [ring(0), ring(1)]
    formatRegion(this.#bytes, dataBytes, key)
  }

  /** Some process has it, or the bus. */
  get held(): boolean {
    if (this.kept && this.#bus.alive) return true
    return this.#ends.some((end) => end !== undefined && end.node.alive && !end.over)
  }

  /** Maps it for one end, once that has found it to be what was granted. */
  map(side: 0 | 1, key: Uint8Array, node: SimNode, stream: RingStream, poller: SimPoller): Rings {
    openRegion(this.#bytes, key)
    const end: RegionEnd = { node, stream, poller, heard: undefined, over: false }
    const other = side === 0 ? 1 : 0
    const options = { mode: 'byte', maxPayload: LONGEST } as const
    const rings = {
      writer: new RingWriter(this.#rings[side], options),
      reader: new RingReader(this.#rings[other], options),
      bell: this.#bell(side, other, end),
      release: () => {
        end.over = true
        this.#checkGeometry()
        if (this.#ends[other]?.node.alive === false) this.#world.report.sometimes('a process was killed with rings')
      },
    }
    this.#ends[side] = end
    if (this.#ends[other] !== undefined) this.#agree()
    return rings
  }

  /** I13: who has something to take, or the space that he waits for, and sleeps, is about to be woken. */
  check(): void {
    this.#checkEnd(0)
    this.#checkEnd(1)
    if (this.#looks++ % PAGE_TURN === 0) this.#checkGeometry()
  }

  /** I17: version, sizes, key and features are what they were when both sides had it. */
  #checkGeometry(): void {
    const page = this.#page
    if (page === undefined) return
    const same = Buffer.compare(this.#fixed(), page) === 0
    this.#world.report.check(same, 'I17', () => `region ${this.id}: its head or its geometry changed`)
  }

  #checkEnd(side: 0 | 1): void {
    const end = this.#ends[side]
    const other = side === 0 ? 1 : 0
    if (end === undefined || end.over || !end.node.alive || this.#ringing[side]) return
    const { report } = this.#world
    const [own, theirs] = [this.#rings[side], this.#rings[other]]
    report.check(!theirs.asleep || theirs.empty, 'I13', () => {
      return `${end.node.name} sleeps, and a ring of region ${this.id} is not empty; no doorbell is on its way`
    })
    const waits = own.hasSpace && !end.poller.isAwake(end.stream)
    report.check(!waits, 'I13', () => {
      return `${end.node.name} waits for space in a ring of region ${this.id} that has it; no doorbell is on its way`
    })
  }

  #agree(): void {
    for (const ring of this.#rings) {
      ring.agreed = true
      this.#world.plants.mapped?.(ring)
    }
    this.#page = this.#fixed()
    this.#world.plants.agreed?.(this.#bytes)
  }

  /** The page that says what it is, and the control pages without the cells that move. */
  #fixed(): Uint8Array {
    const size = (this.#bytes.length - PAGE_BYTES) / 2
    const behind = (CELLS.PENDING_SEND + 1) * 4
    const pages = [0, size].map((at) => this.#bytes.subarray(PAGE_BYTES + at + behind, 2 * PAGE_BYTES + at))
    return Buffer.concat([this.#bytes.subarray(0, PAGE_BYTES), ...pages])
  }

  #bell(side: 0 | 1, other: 0 | 1, end: RegionEnd): Bell {
    let open = true
    const ring = (): void => {
      if (open) this.#rang(side, other)
    }
    return {
      ring: () => (this.#world.plants.doorbell ?? ((rings: () => void) => rings()))(ring),
      listen: (heard) => {
        end.heard = heard
        // It may have been rung before anybody listened.
        if (this.#ringing[side]) this.#deliver(side)
      },
      close: () => {
        open = false
        end.heard = undefined
        if (this.#ringing[side]) this.#world.report.sometimes('a pipe was over while a doorbell was on its way')
      },
    }
  }

  /** I14: at most one doorbell for each time that something came where nothing was, or that space was asked for. */
  #rang(side: 0 | 1, other: 0 | 1): void {
    const { report } = this.#world
    if (this.#last[side] === 'data') {
      const ring = this.#rings[side]
      report.check(
        ring.came,
        'I14',
        () => `region ${this.id}: a doorbell, and nothing came into an empty ring since the last`,
      )
      ring.came = false
    } else {
      const ring = this.#rings[other]
      report.sometimes('a doorbell told of space')
      report.check(ring.asked, 'I14', () => `region ${this.id}: a doorbell, and space was not asked for since the last`)
      ring.asked = false
    }
    if (this.#ringing[other]) return report.sometimes('several doorbells were one')
    this.#ringing[other] = true
    if (this.#ends[other] !== undefined) this.#deliver(other)
  }

  #deliver(side: 0 | 1): void {
    const { scheduler, random, report } = this.#world
    const end = this.#ends[side]
    if (end === undefined) return
    scheduler.after(random.pick([0, 0, 1, 25]), end.node, 'doorbell', () => {
      this.#ringing[side] = false
      if (!end.poller.isAwake(end.stream)) report.sometimes('a doorbell woke who slept')
      end.heard?.()
    })
    // Rung by nobody: it must do no harm.
    if (random.chance(0.05)) scheduler.after(random.below(50), end.node, 'doorbell of nobody', () => end.heard?.())
  }
}
