/** The other end of rings and of the link below them, byte by byte: for tests that say what no `RingStream` says. */
import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { type ByteLink, memoryPair, type Timer } from '../../link/index.ts'
import { type Block, RingReader, RingWriter } from '../../ring/index.ts'
import type { Bell } from './bell.ts'
import { RING_OPTIONS } from './limits.ts'
import type { PlaceMedium } from './place-medium.ts'
import type { RingMedium } from './medium.ts'
import { RingPoller } from './poller.ts'
import { PREFACE_BYTES, type Preface, writePreface } from './preface.ts'
import { formatRegion, openRegion, regionBytes } from './region.ts'
import type { Rings, RingStream } from './stream.ts'

export const KEY = new Uint8Array(16).fill(7)

/** What is tested: as it is, or with one text replaced. */
export interface Mapped {
  readonly RingStream: typeof RingStream
  readonly Preface: typeof Preface
  readonly openRegion: typeof openRegion
  readonly RingMedium: typeof RingMedium
  readonly PlaceMedium: typeof PlaceMedium
  /** Takes what lets go of everything that a test began, however it went. */
  readonly later?: (letGo: () => void) => void
}

export type Check = readonly [name: string, run: (mapped: Mapped) => Promise<void>]

/** Rings the other one a macrotask later, as a kernel would. */
export function bells(): [Bell, Bell] {
  const heard: ((() => void) | undefined)[] = [undefined, undefined]
  const rung = [0, 0]
  const bell = (own: number, other: number): Bell => {
    const tell = (side: number): void => {
      if ((rung[side] as number) > 0) {
        rung[side] = 0
        heard[side]?.()
      }
    }
    return {
      ring: () => {
        rung[other] = 1
        setImmediate(() => heard[other] !== undefined && tell(other))
      },
      listen: (listener) => {
        heard[own] = listener
        setImmediate(() => tell(own))
      },
      close: () => {
        heard[own] = undefined
      },
    }
  }
  return [bell(0, 1), bell(1, 0)]
}

/** One side's rings of a region. */
export function ringsOf(region: Uint8Array, side: number, bell: Bell, release: () => void = () => {}): Rings {
  const blocks = openRegion(region, KEY)
  return {
    writer: new RingWriter(blocks[side] as Block, RING_OPTIONS),
    reader: new RingReader(blocks[1 - side] as Block, RING_OPTIONS),
    bell,
    release,
  }
}

/** Turns of the event loop in which everything here happens, many times over: what takes longer never comes. */
const TURNS = 40

export async function turns(count: number = TURNS): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** What a promise settles with, which must not take long. */
export async function soon<T>(promise: PromiseLike<T> | T): Promise<T> {
  let settled: { value: T } | { thrown: unknown } | undefined
  Promise.resolve(promise).then(
    (value) => {
      settled = { value }
    },
    (thrown: unknown) => {
      settled = { thrown }
    },
  )
  for (let turn = 0; turn < TURNS && settled === undefined; turn++) await turns(1)
  assert.ok(settled !== undefined, 'never settles')
  if ('thrown' in settled) throw settled.thrown
  return settled.value
}

/** Looks when it is told to, and its timers go off when the test says so. */
class PatientPoller extends RingPoller {
  readonly timers = new Set<() => void>()

  override timer(_delay: number, run: () => void): Timer {
    this.timers.add(run)
    return { cancel: () => void this.timers.delete(run) }
  }
}

/** An end under test, with its rings, and the hostile one. */
export class HostileEnd {
  readonly stream: RingStream
  /** The hostile side of the link. */
  readonly link: ByteLink
  readonly own: Rings
  /** The rings of the end under test, and how often it gave them back. */
  readonly rings: Rings
  released = 0
  readonly blocks: readonly [Block, Block]
  readonly poller: PatientPoller = new PatientPoller(0)

  /** With `raised` the end under test writes to its ring. */
  constructor({ RingStream, later }: Mapped, raised = true) {
    const ringBytes = 65_536
    const region = new Uint8Array(regionBytes(ringBytes))
    formatRegion(region, ringBytes, KEY)
    const [near, far] = memoryPair()
    const [bell, other] = bells()
    this.link = far
    this.stream = new RingStream(near, this.poller)
    later?.(() => {
      this.stream.close()
      this.poller.remove(this.stream)
    })
    this.rings = ringsOf(region, 0, bell, () => this.released++)
    this.own = ringsOf(region, 1, other)
    this.blocks = openRegion(region, KEY)
    this.stream.prepare(this.rings)
    if (raised) this.stream.raise()
  }

  /** Puts bytes into the ring. */
  async put(...bytes: number[]): Promise<void> {
    this.own.writer.write(Uint8Array.from(bytes))
    await this.publish()
  }

  /** Says how many bytes went over the link before. */
  async preface(sent: number): Promise<void> {
    const bytes = new Uint8Array(PREFACE_BYTES)
    writePreface(bytes, sent)
    await this.put(...bytes)
  }

  /** Ends the ring, and not the link. */
  async endRing(): Promise<void> {
    this.own.writer.end()
    await this.publish()
  }

  async publish(): Promise<void> {
    this.own.writer.publish()
    await this.knock()
  }

  /** Rings, whatever the ring itself says of that. */
  async knock(): Promise<void> {
    this.own.bell.ring()
    await turns(4)
  }

  /** Over the link. */
  async say(...bytes: number[]): Promise<void> {
    await soon(this.link.write(Uint8Array.from(bytes)))
    await turns(4)
  }

  async endLink(): Promise<void> {
    void this.link.end()
    await turns(4)
  }

  /** The next bytes, as many as there are; `undefined` at the end. */
  async read(): Promise<number[] | undefined> {
    const chunk = await soon(this.stream.read())
    return chunk && [...chunk]
  }

  /** The end under test has closed all that it has, and says why: to whoever uses it and to the other side. */
  async closedBy(code: ErrorCode, message: RegExp): Promise<void> {
    const reason = await soon(this.stream.closed)
    assert.ok(reason instanceof BusbarError, 'closed without a reason')
    assert.equal(reason.code, code)
    assert.match(reason.message, message)
    await assert.rejects(soon(this.stream.read()), (thrown) => thrown === reason)
    assert.ok((await soon(this.link.closed)) instanceof BusbarError, 'the link goes on')
    assert.equal(this.released, 1, 'gives the memory back once')
    assert.throws(() => this.rings.reader.ready(), BusbarError, 'the ring that it reads goes on')
    assert.throws(() => this.rings.writer.publish(), BusbarError, 'the ring that it writes goes on')
    await this.knock()
    this.stream.close()
    assert.equal(this.released, 1)
    assert.deepEqual((this.stream.inspect() as { writer?: unknown }).writer, undefined, 'keeps the memory')
  }
}
