import type { Env, Timer } from '../../rpc/index.ts'
import type { DcomLimits } from './limits.ts'

export interface LeaseOptions {
  readonly env: Env
  readonly limits: DcomLimits
  /** Whether the peer has references to the object. */
  readonly holds: (oid: bigint) => boolean
  /** Nothing says any more that the peer wants the object. */
  readonly runDown: (oid: bigint) => void
  /** Nothing is open, held or pinged any more. */
  readonly idle: () => void
}

/** One object that the peer has references to, and what says that it still wants them. */
interface Lease {
  readonly oid: bigint
  /** Connections over which it was given or called. */
  readonly connections: Set<object>
  readonly sets: Set<PingSet>
  /** When it was last given or called. */
  used: number
}

interface PingSet {
  readonly id: bigint
  readonly leases: Set<Lease>
  pinged: number
  timer: Timer | undefined
}

/**
 * How long one foreign peer holds what it was given. An object lives for as long as a connection is open over which it was given or called. One that
 * the peer put into a ping set lives for as long as the set is pinged: then connections may come and go, and an open one alone does not hold it.
 */
export class Leases {
  readonly #options: LeaseOptions
  readonly #connections = new Map<object, Set<Lease>>()
  readonly #leases = new Map<bigint, Lease>()
  readonly #sets = new Map<bigint, PingSet>()

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections.size
  }

  get sets(): number {
    return this.#sets.size
  }

  get objects(): number {
    return this.#leases.size
  }

  opened(connection: object): void {
    this.#connections.set(connection, new Set())
  }

  /** An object was given, or called, over a connection. */
  used(connection: object, oid: bigint): void {
    let lease = this.#leases.get(oid)
    if (lease === undefined) {
      lease = { oid, connections: new Set(), sets: new Set(), used: 0 }
      this.#leases.set(oid, lease)
    }
    lease.used = this.#options.env.now()
    const held = this.#connections.get(connection)
    if (held !== undefined) {
      held.add(lease)
      lease.connections.add(connection)
    } else this.#check(lease)
  }

  /** What only this connection held is run down. */
  closed(connection: object): void {
    const held = this.#connections.get(connection)
    this.#connections.delete(connection)
    for (const lease of held ?? []) {
      lease.connections.delete(connection)
      this.#check(lease)
    }
    this.#rest()
  }

  /** The peer has released the object. */
  gone(oid: bigint): void {
    const lease = this.#leases.get(oid)
    if (lease === undefined) return
    this.#leases.delete(oid)
    for (const connection of lease.connections) this.#connections.get(connection)?.delete(lease)
    for (const set of lease.sets) set.leases.delete(lease)
  }

  /** False when there is no such set. */
  ping(id: bigint): boolean {
    const set = this.#sets.get(id)
    if (set === undefined) return false
    set.pinged = this.#options.env.now()
    return true
  }

  /**
   * Pings a set and changes what is in it; 0 begins a new one. Gives its identifier, `undefined` when there is no such set,
   * `'full'` when there are too many. Objects that the peer has no references to are passed over: they were released meanwhile, or
   * never given. The numbers that clients give to these requests are not looked at: TCP keeps their order.
   */
  change(id: bigint, added: readonly bigint[], removed: readonly bigint[]): bigint | undefined | 'full' {
    if (id === 0n && this.#sets.size >= this.#options.limits.sets) return 'full'
    const set = id === 0n ? this.#begin() : this.#sets.get(id)
    if (set === undefined) return undefined
    set.pinged = this.#options.env.now()
    for (const oid of added) {
      const lease = this.#leases.get(oid)
      if (lease === undefined || !this.#options.holds(oid)) continue
      set.leases.add(lease)
      lease.sets.add(set)
    }
    for (const oid of removed) {
      const lease = this.#leases.get(oid)
      if (lease === undefined || !set.leases.delete(lease)) continue
      lease.sets.delete(set)
      this.#check(lease)
    }
    return set.id
  }

  /** Ends every timer. Nothing is run down. */
  close(): void {
    for (const { timer } of this.#sets.values()) timer?.cancel()
    this.#sets.clear()
    this.#leases.clear()
    this.#connections.clear()
  }

  /** Only a few sets per peer, and only that peer may name them: 16 bits do, which impacket repeats in a field of that size. */
  #begin(): PingSet {
    const { env } = this.#options
    const random = new DataView(new ArrayBuffer(2))
    let id = 0n
    while (id === 0n || this.#sets.has(id)) {
      env.random(new Uint8Array(random.buffer))
      id = BigInt(random.getUint16(0))
    }
    const set: PingSet = { id, leases: new Set(), pinged: env.now(), timer: undefined }
    this.#sets.set(id, set)
    this.#watch(set, this.#patience)
    return set
  }

  get #patience(): number {
    const { pingPeriod, pingPeriods } = this.#options.limits
    return pingPeriod * pingPeriods
  }

  #watch(set: PingSet, delay: number): void {
    set.timer = this.#options.env.timer(delay, () => this.#expire(set))
  }

  /** Time to look whether a set was pinged. What was called in the last period is not run down yet (MS-DCOM 3.1.1.6). */
  #expire(set: PingSet): void {
    const { env, limits } = this.#options
    const now = env.now()
    const left = set.pinged + this.#patience - now
    if (left > 0) return this.#watch(set, left)
    let next = 0
    for (const lease of set.leases) {
      const grace = lease.used + limits.pingPeriod - now
      if (grace > 0) next = Math.max(next, grace)
      else {
        set.leases.delete(lease)
        lease.sets.delete(set)
        if (lease.sets.size === 0) this.#options.runDown(lease.oid)
      }
    }
    if (next > 0) return this.#watch(set, next)
    this.#sets.delete(set.id)
    this.#rest()
  }

  #rest(): void {
    if (this.#connections.size + this.#leases.size + this.#sets.size === 0) this.#options.idle()
  }

  #check(lease: Lease): void {
    if (lease.connections.size === 0 && lease.sets.size === 0) this.#options.runDown(lease.oid)
  }
}
