/** All runs of a ring against a hostile other side: the enumerations, each as one function over the ring that is given. */
import { Slab } from '../bytes/index.ts'
import { type Block, CELLS, type RingMode, type RingReader, type RingWriter } from './index.ts'
import { type How, ReaderModel } from './reader-model.test.ts'
import { checkWith } from './watched.test.ts'
import { WriterModel } from './writer-model.test.ts'

/** The classes under test: the real ones, or those of a mutant. */
export interface Ring {
  readonly Block: typeof Block
  readonly RingReader: typeof RingReader
  readonly RingWriter: typeof RingWriter
}

/** Bytes of data of the rings here: 16 units of 8. */
export const SIZE = 128
/** Longest payload: less than the ring could hold, so that the limit is met. */
export const MAX = 40

/** Every way through a run that asks for choices, by running it again with the next one. */
export class Choices {
  #path: number[] = []
  #widths: number[] = []
  #at = 0

  /** One of 0 to `width` - 1. */
  choose(width: number): number {
    const at = this.#at++
    if (at === this.#path.length) {
      this.#path.push(0)
      this.#widths.push(width)
    }
    return this.#path[at] as number
  }

  /** The choices that this run has made so far. */
  get taken(): string {
    return this.#path.slice(0, this.#at).join(' ')
  }

  /** The choices of this run, to tell. */
  get path(): string {
    return this.#path.join(' ')
  }

  /** Goes to the next way; false when there is none. */
  next(): boolean {
    this.#at = 0
    for (let at = this.#path.length - 1; at >= 0; at--) {
      const choice = (this.#path[at] as number) + 1
      if (choice < (this.#widths[at] as number)) {
        this.#path[at] = choice
        return true
      }
      this.#path.pop()
      this.#widths.pop()
    }
    return false
  }
}

const HUGE = [0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff]
/** Every possible index, and impossible ones of each kind. */
const INDEXES = [...Array.from({ length: SIZE / 8 }, (_, unit) => unit * 8), 1, 4, 7, SIZE - 1, SIZE, SIZE + 8, ...HUGE]
const PENDING = [0, 1, 8, 40, 64, SIZE - 8, SIZE - 1, SIZE, ...HUGE]
const MASKS = [0, 1, 0xffff_ffff]
const word = (low: number, high: number): number => (low | (high << 16)) >>> 0
/** First word of a descriptor: type and offset. */
const FIRST = [
  ...[0, 1, 2, 3, 4, 13, 16, 0xffff].map((offset) => word(6, offset)),
  ...[0, 5, 7, 9, 0xffff].map((type) => word(type, 2)),
]
/** Second word: length and flags. */
const SECOND = [
  ...[0, 1, 2, 3, 4, 5, 6, 8, 9, 14, 15, 16, 0xffff].map((length) => word(length, 0)),
  ...[1, 0x8000].map((flags) => word(4, flags)),
]
const KINDS = [1, 0, 2, 3, 0x8000_0001, 0xffff_ffff]
const PAYLOADS = [0, 1, 7, 8, 9, 16, 17, 32, MAX, MAX + 1, 88, 97, ...HUGE]
/** Of the second packet: all, or only what changes the outcome. */
const RICH = [FIRST, SECOND, KINDS, PAYLOADS]
const FEW = [
  [word(6, 2), word(6, 1), word(6, 4), word(7, 2)],
  [...[2, 3, 4, 8, 15, 0xffff].map((length) => word(length, 0)), word(3, 1)],
  [1, 2],
  [0, 1, 8, 9, MAX + 1, 0xffff_ffff],
]
const NONE = [0]

/** How many runs there were. */
type Count = number

/** Runs every way through `run`, and says by which choices one broke a rule. */
export function everyWay(choices: Choices, run: () => void): Count {
  let runs = 0
  try {
    do {
      runs++
      run()
    } while (choices.next())
  } catch (thrown) {
    if (thrown instanceof Error) thrown.message += ` (choices ${choices.path})`
    throw thrown
  }
  return runs
}

/**
 * What every read gives is any value of its class, for two packets, all combinations. For the second packet those values alone that change
 * the outcome, or all with `rich`, or none with `one`.
 */
export function oracleReads(
  { RingReader }: Ring,
  mode: RingMode,
  second: 'one' | 'few' | 'rich',
  how: How = 'copied',
): Count {
  const into = new Uint8Array(SIZE)
  const choices = new Choices()
  const slab = new Slab()
  const classes = [FIRST, SECOND, KINDS, PAYLOADS, ...(second === 'rich' ? RICH : second === 'few' ? FEW : [])]
  let gets = 0
  const pick = (values: readonly number[]): number => values[choices.choose(values.length)] as number
  const model = new ReaderModel(SIZE, mode, MAX, (place) => {
    if (place === CELLS.WRITE_INDEX) return pick(INDEXES)
    return place < 32 ? 0 : pick(classes[gets++] ?? NONE)
  })
  return everyWay(choices, () => {
    gets = 0
    model.reset()
    const reader = new RingReader(model, { mode, maxPayload: MAX, slab })
    for (let call = 0; gets < 8 && call < 6; call++) {
      if (how === 'given' && !model.look(reader)) return
      if (!model.take(reader, into, mode === 'byte' ? 12 : SIZE, how) || gets === 0) return
    }
  })
}

/** A run that another one stands for. */
const KNOWN = Symbol('known')

/**
 * As `oracleReads`, with all classes for both packets. What comes behind the first packet depends on the state that it left, so each state meets all values of a second
 * one once, behind the first packet that led to it. `few` runs those values alone that change the outcome, but behind every first packet, and throws when two of one
 * state go on in another way: that this is so is checked, and not believed.
 */
export function oracleSecond(ring: Ring, mode: RingMode, values: 'all' | 'few'): { runs: Count; states: number } {
  const { RingReader } = ring
  const into = new Uint8Array(SIZE)
  const choices = new Choices()
  const slab = new Slab()
  const classes = [FIRST, SECOND, KINDS, PAYLOADS, ...(values === 'all' ? RICH : FEW)]
  /** The states, and the first packet that led to each. */
  const states = new Map<string, { number: number; path: string }>()
  /** How it went on, by the state and the values of the second packet. */
  const ways = new Map<string, string>()
  let reader: RingReader
  let gets = 0
  let index = 0
  let call = 0
  let way = ''
  let seconds = ''
  let state = -1
  const pick = (from: readonly number[]): number => from[choices.choose(from.length)] as number
  /** At the first word of the second packet. */
  const between = (place: number): void => {
    const { available, unreleased } = reader.inspect()
    const key = [place, index, available, unreleased, call, model.copies].join()
    const path = choices.taken
    const known = states.get(key) ?? { number: states.size, path }
    states.set(key, known)
    state = known.number
    if (values === 'all' && known.path !== path) throw KNOWN
  }
  const model: ReaderModel = new ReaderModel(SIZE, mode, MAX, (place) => {
    if (place === CELLS.WRITE_INDEX) {
      index = pick(INDEXES)
      if (state >= 0) seconds += `i${index} `
      return index
    }
    if (place < 32) return 0
    if (gets === 4) between(place)
    const value = pick(classes[gets++] ?? NONE)
    if (state >= 0) {
      seconds += `${value} `
      way += `${place} `
    }
    return value
  })
  const runs = everyWay(choices, () => {
    gets = index = 0
    state = -1
    way = seconds = ''
    model.reset()
    reader = new RingReader(model, { mode, maxPayload: MAX, slab })
    try {
      for (call = 0; gets < 8 && call < 6; call++) {
        if (!model.take(reader, into, mode === 'byte' ? 12 : SIZE) || gets === 0) break
      }
    } catch (thrown) {
      if (thrown === KNOWN) return
      throw thrown
    }
    if (values === 'all' || state < 0) return
    const { available, unreleased, ended, fault } = reader.inspect()
    const key = `${state}: ${seconds}`
    const now = [way, available, unreleased, ended, fault, call, model.copies].join()
    const before = ways.get(key)
    if (before === undefined) ways.set(key, now)
    else checkWith(before === now, 'goes on in another way from the same state', key, before, now)
  })
  return { runs, states: states.size }
}

/**
 * The cells alone, with honest packets: all indexes and pending sizes, over a series of calls with signals and sleeps. Some of what is taken is lent in byte mode,
 * or all of it is given after a look.
 */
export function oracleCells({ RingReader }: Ring, mode: RingMode, loads: number, given = false): Count {
  const into = new Uint8Array(SIZE)
  const choices = new Choices()
  const slab = new Slab()
  let left = 0
  let last = 0
  let gets = 0
  const model = new ReaderModel(SIZE, mode, MAX, (place) => {
    // Packets of 40 bytes with 5 of payload; every third is of 48 bytes, so that they come to lie everywhere.
    if (place >= 32) return [word(6, 2), word((gets >> 2) % 3 === 2 ? 5 : 4, 0), 1, 5][gets++ & 3] as number
    if (left-- <= 0) return place === CELLS.WRITE_INDEX ? last : 0
    const values = place === CELLS.WRITE_INDEX ? INDEXES : PENDING
    const value = values[choices.choose(values.length)] as number
    if (place === CELLS.WRITE_INDEX) last = value
    return value
  })
  return everyWay(choices, () => {
    left = loads
    last = 0
    gets = 0
    model.reset()
    const reader = new RingReader(model, { mode, maxPayload: MAX, slab })
    for (let call = 0; left > 0 || call < 8; call++) {
      const how = given ? 'given' : mode === 'byte' && call % 4 === 1 ? 'lent' : 'copied'
      if (given && call % 4 < 2 && !model.look(reader)) return
      const going =
        call % 4 < 2 ? model.take(reader, into, mode === 'byte' ? 7 : SIZE, how) : model.settle(reader, call % 4 === 3)
      if (!going) return
    }
  })
}

/**
 * A writer whose reads of the read index give any value, and those of the mask any of `masks`: messages, or in byte mode more than the ring
 * takes at once, publishing, waiting, asking for space, the end. After so many `loads` the other side does nothing.
 */
export function oracleWrites(
  { RingWriter }: Ring,
  mode: RingMode,
  loads: number,
  masks: readonly number[] = MASKS,
): Count {
  const choices = new Choices()
  const lengths = mode === 'message' ? [1, 40, 9, 32, 8] : [1, 90, 8, 60, 13]
  const messages = lengths.map((length) => new Uint8Array(length))
  let left = 0
  let last = 0
  const model = new WriterModel(SIZE, mode, MAX, (place) => {
    if (place !== CELLS.READ_INDEX)
      return masks.length === 1 || left-- <= 0 ? 1 : (masks[choices.choose(masks.length)] as number)
    if (left-- > 0) last = INDEXES[choices.choose(INDEXES.length)] as number
    return last
  })
  return everyWay(choices, () => {
    left = loads
    last = 0
    model.reset()
    const writer = new RingWriter(model, { mode, maxPayload: MAX })
    for (let call = 0; call < 9; call++) {
      const message = messages[call % messages.length] as Uint8Array
      if (!model.write(writer, message)) return
      if (call % 3 === 1 && !model.wait(writer, message.length)) return
      if (call % 3 === 2 && !model.space(writer, message.length)) return
      if (call % 3 !== 1 && !model.publish(writer)) return
    }
    if (model.end(writer)) model.publish(writer)
  })
}
