/**
 * Hostile writes into the memory of an honest producer: every schedule of up to so many of them, of any word, of any of eight values, before any
 * read of the reader.
 *
 * Most of these schedules are the same to the reader. A write matters only when its word is read later and before it is written again, and then it is the same
 * as a write right before that read. So it is enough to run each read with its word changed and unchanged, and to count how many schedules
 * that one run stands for. `each` runs every schedule by itself instead: what both make of the same bounds must agree, trace by trace.
 */
import { Slab } from '../bytes/index.ts'
import { CELLS, type RingMode, type RingReader } from './index.ts'
import { PlainMem, SlowWriter } from './harness.test.ts'
import { type How, ReaderModel } from './reader-model.test.ts'
import { Choices, everyWay, MAX, type Ring, SIZE } from './schedules.test.ts'

/** What a hostile write puts into a word. */
export const WRITTEN = [0, 1, 8, 40, SIZE, 0x7fff_fff8, 0x8000_0000, 0xffff_ffff]

/** What it may change: each cell, a word that means nothing, and all of the data. */
const PLACES = [0, 1, 2, 3, 16, ...Array.from({ length: SIZE / 4 }, (_, at) => 32 + at)]
const WORDS = 32 + SIZE / 4
/** Schedules are counted by their writes up to so many; what there are more of would not fit into a number. */
const COUNTED = 4

export interface Explored {
  readonly runs: number
  /** How many schedules these runs stand for: of no hostile write, of up to one, and so on. */
  readonly schedules: readonly number[]
  /** How many schedules gave the reader the same, by a hash of all that it was given; when asked for. */
  readonly traces: ReadonlyMap<number, number>
}

interface Bounds {
  readonly writes: number
  readonly values?: readonly number[]
  /** Runs each schedule by itself. */
  readonly each?: boolean
  readonly traced?: boolean
  /** As streams read: a look, and what is there. */
  readonly given?: boolean
}

/** Memory with two honest packets, as words: cells first; and the words that change when the producer publishes a third. */
function honest(): { start: Uint32Array; third: readonly (readonly [place: number, value: number])[] } {
  const mem = new PlainMem(SIZE)
  const words = (): Uint32Array => {
    const all = new Uint32Array(WORDS)
    all.set(new Uint32Array(mem.control.buffer), 0)
    all.set(new Uint32Array(mem.data.buffer), 32)
    return all
  }
  const writer = new SlowWriter(mem, 'message', MAX)
  writer.write(new Uint8Array(9).fill(1))
  writer.write(new Uint8Array(8).fill(2))
  const start = words()
  // As if both had been read: the payload lies across the end of the data.
  mem.store(CELLS.READ_INDEX, start[CELLS.WRITE_INDEX] as number)
  writer.write(new Uint8Array(20).fill(3))
  const third = [...words()].flatMap((value, place) =>
    value === start[place] || place === CELLS.READ_INDEX ? [] : ([[place, value]] as const),
  )
  return { start, third }
}

/** The memory, the hostile side and the count of one run after another. */
class Hostile {
  readonly #choices: Choices
  readonly #values: readonly number[]
  readonly #writes: number
  readonly #each: boolean
  readonly #traced: boolean
  readonly #start: Uint32Array
  readonly #third: readonly (readonly [number, number])[]
  readonly #words: Uint32Array
  /** How many reads there were when a word was last read, or written by the producer. */
  readonly #since = new Int32Array(WORDS)
  /** Words that are not as at the start. */
  readonly #changed = new Int32Array(WORDS * 4)
  #changes = 0
  #left = 0
  #reads = 0
  /** Moments, of all words together, at which a write would have made no difference. */
  #idle = 0
  /** Of each write that made a difference, the moments at which it could have come. */
  readonly #windows = new Int32Array(16)
  #effective = 0
  #hash = 0
  #more = 0
  readonly #counts = new Float64Array(COUNTED + 1)
  readonly schedules: number[] = new Array<number>(COUNTED + 1).fill(0)
  readonly traces = new Map<number, number>()

  constructor(choices: Choices, { writes, values = WRITTEN, each = false, traced = false }: Bounds) {
    this.#choices = choices
    this.#writes = writes
    this.#values = values
    this.#each = each
    this.#traced = traced
    const { start, third } = honest()
    this.#start = start
    this.#third = third
    this.#words = start.slice()
  }

  /** Before another run. */
  begin(): void {
    for (let at = 0; at < this.#changes; at++) {
      const place = this.#changed[at] as number
      this.#words[place] = this.#start[place] as number
    }
    this.#since.fill(0)
    this.#changes = this.#reads = this.#idle = this.#effective = this.#hash = this.#more = 0
    this.#left = this.#writes
  }

  #write(place: number, value: number): void {
    this.#changed[this.#changes++] = place
    this.#words[place] = value
  }

  /** The reader reads a word. */
  answer(place: number): number {
    this.#reads++
    if (this.#left > 0) {
      if (this.#each) this.#writeAny()
      else this.#writeHere(place)
    }
    if (!this.#each) this.#since[place] = this.#reads
    const value = this.#words[place] as number
    if (this.#traced) {
      this.#hash = Math.imul(this.#hash ^ (place + 1), 0x9e37_79b1) ^ value
      this.#more = Math.imul(this.#more + value + place, 0x85eb_ca6b) ^ (this.#more >>> 13)
    }
    return value
  }

  /** Two writes at the same moment are one schedule whichever is first, so they come in the order of the words. */
  #writeAny(): void {
    const values = this.#values.length
    for (let from = 0; this.#left > 0; ) {
      const choice = this.#choices.choose(1 + (PLACES.length - from) * values) - 1
      if (choice < 0) return
      this.#left--
      from += Math.floor(choice / values) + 1
      this.#write(PLACES[from - 1] as number, this.#values[choice % values] as number)
    }
  }

  #writeHere(place: number): void {
    const choice = this.#choices.choose(this.#values.length + 1)
    if (choice === 0) return
    this.#left--
    this.#windows[this.#effective++] = this.#reads - (this.#since[place] as number)
    this.#write(place, this.#values[choice - 1] as number)
  }

  /** The producer publishes another packet, whatever was written there. */
  publish(): void {
    for (const [place, value] of this.#third) {
      this.#idle += this.#reads - (this.#since[place] as number)
      this.#since[place] = this.#reads
      this.#write(place, value)
    }
  }

  /** After a run: counts the schedules that it stands for. */
  count(): void {
    const counts = this.#counts
    if (this.#each) {
      counts.fill(0)
      counts[this.#writes - this.#left] = 1
    } else this.#same(counts)
    let all = 0
    for (let writes = 0; writes <= COUNTED; writes++) {
      if (writes <= this.#writes) all += counts[writes] as number
      this.schedules[writes] = (this.schedules[writes] as number) + all
    }
    if (!this.#traced) return
    const trace = (this.#hash >>> 0) * 0x20_0000 + (this.#more & 0x1f_ffff)
    this.traces.set(trace, (this.traces.get(trace) ?? 0) + all)
  }

  /**
   * By the number of writes. A write that made a difference came at one of the moments since its word was read before, and behind it came no other of that
   * word; where no write made a difference there was none since. At every moment at which a word is not read again, any value may
   * have been written to it or none.
   */
  #same(counts: Float64Array): void {
    let idle = this.#idle + PLACES.length * this.#reads
    for (let at = 0; at < PLACES.length; at++) idle -= this.#since[PLACES[at] as number] as number
    const { length } = this.#values
    counts.set(anyOrNone(length, idle))
    for (let at = 0; at < this.#effective; at++) multiply(counts, lastOf(length, this.#windows[at] as number))
  }
}

const ANY = new Map<number, Float64Array>()
const LAST = new Map<number, Float64Array>()

/** How many ways there are to write one of so many `values`, or nothing, at each of so many moments: by the number of writes. */
function anyOrNone(values: number, moments: number): Float64Array {
  const key = values * 65_536 + moments
  let counts = ANY.get(key)
  if (counts !== undefined) return counts
  counts = new Float64Array(COUNTED + 1).fill(1)
  for (let writes = 1; writes <= COUNTED; writes++) {
    counts[writes] = ((counts[writes - 1] as number) * values * (moments - writes + 1)) / writes
  }
  ANY.set(key, counts)
  return counts
}

/** The same where the last write is of one certain value: it comes at any of the moments, and any or none at each before. */
function lastOf(values: number, moments: number): Float64Array {
  const key = values * 65_536 + moments
  let counts = LAST.get(key)
  if (counts !== undefined) return counts
  counts = new Float64Array(COUNTED + 1)
  for (let before = 0; before < moments; before++) {
    const earlier = anyOrNone(values, before)
    for (let writes = 0; writes < COUNTED; writes++) {
      counts[writes + 1] = (counts[writes + 1] as number) + (earlier[writes] as number)
    }
  }
  LAST.set(key, counts)
  return counts
}

/** Of two independent choices: every sum of their writes. */
function multiply(counts: Float64Array, by: Float64Array): void {
  for (let sum = COUNTED; sum >= 0; sum--) {
    let all = 0
    for (let writes = 0; writes <= sum; writes++) all += (counts[writes] as number) * (by[sum - writes] as number)
    counts[sum] = all
  }
}

/** Runs the reader through all of them: two packets, a third that the producer publishes meanwhile, and going to sleep. */
export function hostileWrites({ RingReader }: Ring, mode: RingMode, bounds: Bounds): Explored {
  const choices = new Choices()
  const slab = new Slab()
  const into = new Uint8Array(SIZE)
  const hostile = new Hostile(choices, bounds)
  const model = new ReaderModel(SIZE, mode, MAX, (place) => hostile.answer(place))
  const want = mode === 'byte' ? 9 : SIZE
  const take = (reader: RingReader, call: number): boolean => {
    const how: How = bounds.given === true ? 'given' : mode === 'byte' && call === 1 ? 'lent' : 'copied'
    if (how === 'given' && !model.look(reader)) return false
    return model.take(reader, into, want, how)
  }
  const scenario = (): void => {
    model.reset()
    const reader = new RingReader(model, { mode, maxPayload: MAX, slab })
    for (let call = 0; call < 3; call++) {
      if (!take(reader, call)) return
    }
    hostile.publish()
    for (let call = 0; call < 2; call++) {
      if (!take(reader, call)) return
    }
    if (model.settle(reader, true)) model.settle(reader, false)
  }
  const runs = everyWay(choices, () => {
    hostile.begin()
    scenario()
    hostile.count()
  })
  return { runs, schedules: hostile.schedules, traces: hostile.traces }
}
