import { BusbarError } from '../errors/index.ts'
import type { Env } from '../link/index.ts'
import { MAX_STREAM_ID } from './codec.ts'
import type { MuxLimits } from './limits.ts'
import { PeerIds } from './peer-ids.ts'
import { StreamCore, type StreamHost } from './stream-core.ts'
import { ReceiveWindow, WindowBudget } from './window.ts'

/** The streams of one session that are not over, and which ids either side has used. */
export class StreamTable {
  readonly #env: Env
  readonly #limits: MuxLimits
  readonly #host: StreamHost
  readonly #cores = new Map<number, StreamCore>()
  readonly #budget: WindowBudget
  readonly #peerIds: PeerIds
  #nextId: number
  /** Streams in the table that this side opened. */
  #ours = 0

  constructor(role: 'client' | 'server', env: Env, limits: MuxLimits, host: StreamHost) {
    this.#env = env
    this.#limits = limits
    this.#host = host
    this.#budget = new WindowBudget(limits.windowBudget)
    this.#nextId = role === 'client' ? 1 : 2
    this.#peerIds = new PeerIds(role === 'client' ? 0 : 1, limits.lateOpens)
  }

  get size(): number {
    return this.#cores.size
  }

  /** `bytes` by which windows may still grow. */
  get windowBudget(): number {
    return this.#budget.left
  }

  /** A copy: it may be worked through while streams leave the table. */
  all(): StreamCore[] {
    return Array.from(this.#cores.values())
  }

  /** Whether any stream would be cut off by the end of the session. */
  get anyUnfinished(): boolean {
    for (const core of this.#cores.values()) if (core.state.kind !== 'finished') return true
    return false
  }

  /** A stream of ours; `LIMIT` when too many are open or the ids are used up. */
  open(): StreamCore {
    if (this.#ours >= this.#limits.streams) {
      throw new BusbarError('LIMIT', `${this.#ours} streams are open on this session, at most ${this.#limits.streams}`)
    }
    const id = this.#nextId
    if (id > MAX_STREAM_ID) throw new BusbarError('LIMIT', 'all stream ids of this session are used up')
    this.#nextId += 2
    this.#ours++
    return this.#add(id, true)
  }

  /** A stream of the peer; `undefined` when it has too many open, `PROTOCOL` when it may not use this id. */
  accept(id: number): StreamCore | undefined {
    this.#peerIds.use(id)
    if (this.#cores.size - this.#ours >= this.#limits.streams) return undefined
    return this.#add(id, false)
  }

  /** The stream with this id; `undefined` when it is over, `PROTOCOL` when it never was. */
  find(id: number): StreamCore | undefined {
    const core = this.#cores.get(id)
    if (core !== undefined) return core
    const used = id % 2 === this.#nextId % 2 ? id < this.#nextId : this.#peerIds.used(id)
    if (!used) throw new BusbarError('PROTOCOL', `yamux: a frame for stream ${id}, which was never opened`)
    return undefined
  }

  remove(core: StreamCore): void {
    if (!this.#cores.delete(core.id)) return
    if (core.ours) this.#ours--
    core.window.release()
  }

  #add(id: number, ours: boolean): StreamCore {
    const { window, growWithin, sendQueue } = this.#limits
    const receiving = new ReceiveWindow(this.#budget, window, growWithin, this.#env.now())
    const core = new StreamCore(id, ours, this.#host, receiving, sendQueue)
    this.#cores.set(id, core)
    return core
  }
}
