/**
 * Two honest peers, in every order of their accesses. Each runs as it is, from its start again and again: what it read so far is
 * given to it, and the first access beyond stops it. Plain writes of data stay invisible until the next atomic store, as the store
 * buffer of a processor may keep them.
 */
import { CELLS, type Mem, type RingMode } from './index.ts'
import { Violation } from './watched.test.ts'
import { MAX, type Ring, SIZE } from './schedules.test.ts'

/** Thrown through a peer at the access that is its next. */
const PAUSE = Symbol('pause')

type Access =
  | { readonly kind: 'load' | 'get' | 'wait' | 'signal'; readonly at: number }
  | { readonly kind: 'store'; readonly at: number; readonly value: number }
  | { readonly kind: 'copy'; readonly at: number; readonly length: number }

/** What both share: the cells, the data, and a doorbell for each. */
interface World {
  readonly cells: readonly number[]
  readonly data: Data
  readonly bells: readonly [boolean, boolean]
  /** Doorbells that the writer may ring now: one for each time that it publishes. */
  readonly owed: number
}

/** Data as it is between two stores; each content is there once, so that it has a number. */
interface Data {
  readonly id: number
  readonly bytes: Uint8Array
}

type Program = (peer: Peer) => void

interface State {
  readonly world: World
  readonly peers: readonly [Peer, Peer]
  /** Who was killed. */
  readonly dead: 0 | 1 | undefined
}

/** A peer at one of its accesses. Each way that it came there is one of these, and runs once. */
class Peer implements Mem {
  readonly dataBytes = SIZE
  readonly id: number
  readonly #history: readonly string[]
  #at = 0
  /** The access that it stopped at; none when it has finished. */
  next: Access | undefined
  /** Data written since its last store. */
  buffer: { at: number; bytes: Uint8Array }[] = []
  /** Where it comes to by what it reads. */
  readonly later = new Map<string, Peer>()
  /** What its buffer makes of the data. */
  readonly stored = new Map<number, Data>()

  constructor(id: number, history: readonly string[]) {
    this.id = id
    this.#history = history
  }

  /** The same one access later. */
  after(read: string, id: number, program: Program): Peer {
    return new Peer(id, [...this.#history, read]).run(program)
  }

  run(program: Program): this {
    try {
      program(this)
    } catch (thrown) {
      if (thrown !== PAUSE) throw thrown
    }
    return this
  }

  #access(next: Access): string {
    if (this.#at > RESTLESS) throw new Violation('never comes to rest')
    const known = this.#history[this.#at++]
    if (known !== undefined) return known
    this.next = next
    throw PAUSE
  }

  load(cell: number): number {
    return Number(this.#access({ kind: 'load', at: cell }))
  }

  store(cell: number, value: number): void {
    this.#access({ kind: 'store', at: cell, value })
    this.buffer = []
  }

  get(at: number): number {
    return Number(this.#access({ kind: 'get', at }))
  }

  put(at: number, low: number, high: number): void {
    this.buffer.push({ at, bytes: new Uint8Array(new Uint32Array([low, high]).buffer) })
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    this.buffer.push({ at, bytes: from.slice(start, start + length) })
  }

  copyOut(at: number, into: Uint8Array, start: number, length: number): void {
    into.set(this.#access({ kind: 'copy', at, length }).split(',').map(Number), start)
  }

  view(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.copyOut(at, bytes, 0, length)
    return bytes
  }

  /** Rings the other's doorbell. */
  signal(): void {
    this.#access({ kind: 'signal', at: 0 })
  }

  /** Sleeps until its own is rung. */
  wait(): void {
    this.#access({ kind: 'wait', at: 0 })
  }
}

/** Accesses of one peer, above any that comes to rest here. */
const RESTLESS = 500

/** Every state that two programs can come to. With `stops` one of them may be killed before any of its accesses. */
class Search {
  readonly #programs: readonly [Program, Program]
  readonly #stops: boolean
  readonly #contents = new Map<string, Data>()
  #peers = 0

  constructor(programs: readonly [Program, Program], stops: boolean) {
    this.#programs = programs
    this.#stops = stops
  }

  #data(bytes: Uint8Array): Data {
    const text = bytes.join()
    const known = this.#contents.get(text)
    if (known !== undefined) return known
    const data = { id: this.#contents.size, bytes }
    this.#contents.set(text, data)
    return data
  }

  /** Visits all of them; how many. */
  run(): number {
    const seen = new Set<string>()
    const first: World = {
      cells: new Array<number>(4).fill(0),
      data: this.#data(new Uint8Array(SIZE)),
      bells: [false, false],
      owed: 0,
    }
    const begin = (who: 0 | 1): Peer => new Peer(this.#peers++, []).run(this.#programs[who])
    const open: State[] = [{ world: first, peers: [begin(0), begin(1)], dead: undefined }]
    const add = (state: State): void => {
      const { world, peers, dead } = state
      const { cells, bells, data, owed } = world
      const key = `${peers[0].id} ${peers[1].id} ${cells.join()} ${data.id} ${bells.join()} ${owed} ${dead}`
      if (seen.has(key)) return
      seen.add(key)
      open.push(state)
    }
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      const { peers, dead } = state
      if (this.#stops && dead === undefined) for (const each of this.#killed(state)) add(each)
      let moved = false
      for (const who of [0, 1] as const) {
        if (who === dead) continue
        const done = this.#step(state.world, who, peers[who])
        if (done === undefined) continue
        moved = true
        const next = this.#after(peers[who], done.read, who)
        const after: readonly [Peer, Peer] = who === 0 ? [next, peers[1]] : [peers[0], next]
        add({ world: done.world, peers: after, dead })
      }
      if (moved) continue
      if (dead === 0 && state.world.cells[CELLS.WRITE_INDEX] !== state.world.cells[CELLS.READ_INDEX]) {
        throw new Violation('leaves what was published before the other side died')
      }
      if (dead === undefined && peers.some(({ next }) => next !== undefined)) {
        const asleep = peers.map(({ next }, who) => (next === undefined ? '' : who === 0 ? 'writer' : 'reader'))
        throw new Violation(`asleep for ever: ${asleep.join(' ')}`)
      }
    }
    return seen.size
  }

  /**
   * One of them dies before its next access, and the link tells the other. What it has written since its last store may come to be visible, and may
   * not.
   */
  #killed({ world, peers }: State): State[] {
    const all: State[] = []
    for (const dead of [0, 1] as const) {
      if (peers[dead].next === undefined) continue
      const bells = dead === 0 ? ([world.bells[0], true] as const) : ([true, world.bells[1]] as const)
      const stored = this.#flushed(world.data, peers[dead])
      for (const data of stored === world.data ? [stored] : [stored, world.data]) {
        all.push({ world: { ...world, bells, data }, peers, dead })
      }
    }
    return all
  }

  #after(peer: Peer, read: string, who: 0 | 1): Peer {
    const known = peer.later.get(read)
    if (known !== undefined) return known
    const next = peer.after(read, this.#peers++, this.#programs[who])
    peer.later.set(read, next)
    return next
  }

  /** Does the next access of a peer: what it reads, and the world behind it. `undefined` when it has to wait. */
  #step(world: World, who: 0 | 1, peer: Peer): { read: string; world: World } | undefined {
    const { next } = peer
    if (next === undefined) return undefined
    switch (next.kind) {
      case 'load':
        return { read: `${world.cells[next.at]}`, world }
      case 'get':
        return { read: `${new DataView(world.data.bytes.buffer).getUint32(next.at, true)}`, world }
      case 'copy':
        return { read: world.data.bytes.slice(next.at, next.at + next.length).join(), world }
      case 'store': {
        const cells = world.cells.with(next.at, next.value)
        return {
          read: '',
          world: { ...world, data: this.#flushed(world.data, peer), cells, owed: next.at === 0 ? 1 : world.owed },
        }
      }
      case 'signal':
        if (who === 0 && world.owed === 0) throw new Violation('rings the doorbell twice for one publication')
        return {
          read: '',
          world: {
            ...world,
            bells: who === 0 ? [world.bells[0], true] : [true, world.bells[1]],
            owed: who === 0 ? 0 : world.owed,
          },
        }
      case 'wait':
        if (!world.bells[who]) return undefined
        return { read: '', world: { ...world, bells: who === 0 ? [false, world.bells[1]] : [world.bells[0], false] } }
      default:
        return next satisfies never
    }
  }

  #flushed(data: Data, { buffer, stored }: Peer): Data {
    if (buffer.length === 0) return data
    const known = stored.get(data.id)
    if (known !== undefined) return known
    const bytes = data.bytes.slice()
    for (const write of buffer) bytes.set(write.bytes, write.at)
    const after = this.#data(bytes)
    stored.set(data.id, after)
    return after
  }
}

/**
 * All orders of a writer of two messages and the end, and a reader, which sleep as they should; how many states. With `lengths` of 40 and 9
 * the second must wait for space, and the end lies across the end of the ring. With `stops` either may be killed before any access: the reader has whole
 * messages then, all that were published and nothing else, and both come to rest.
 */
export function checkInterleavings(
  { RingReader, RingWriter }: Ring,
  mode: RingMode,
  batch: boolean,
  lengths: readonly number[],
  stops = false,
): number {
  const messages = lengths.map((length, at) => Uint8Array.from({ length }, (_, byte) => at * 50 + byte + 1))
  const sent = messages.flatMap((message) => [...message])
  const writing: Program = (peer) => {
    const writer = new RingWriter(peer, { mode, maxPayload: MAX })
    const publish = (): void => {
      if (writer.publish()) peer.signal()
    }
    for (const message of messages) {
      for (let at = 0; at < message.length; ) {
        at += writer.write(message, at)
        if (at === message.length) break
        const wait = writer.waitForSpace(message.length - at)
        publish()
        if (wait) peer.wait()
      }
      if (!batch) publish()
    }
    writer.end()
    publish()
  }
  const reading: Program = (peer) => {
    const reader = new RingReader(peer, { mode, maxPayload: MAX })
    const into = new Uint8Array(MAX)
    let bytes = 0
    let whole = 0
    const release = (): void => {
      if (reader.release()) peer.signal()
    }
    while (!reader.ended) {
      const length = reader.readInto(into, 0, mode === 'byte' ? 24 : MAX)
      if (length === 0) {
        if (reader.ended) break
        const sleep = reader.prepareToSleep()
        release()
        if (!sleep) continue
        peer.wait()
        reader.mask(true)
        continue
      }
      for (let at = 0; at < length; at++) if (into[at] !== sent[bytes + at]) throw new Violation('delivers other bytes')
      bytes += length
      if (mode === 'message' && length !== lengths[whole++]) throw new Violation('delivers a part of a message')
    }
    release()
    if (bytes !== sent.length) throw new Violation('ends before all was delivered')
  }
  return new Search([writing, reading], stops).run()
}
