import type { Env } from '../../link/index.ts'
import { DEFAULT_RPC_LIMITS } from '../limits.ts'
import { SpareMemory } from './spare-memory.ts'

/** Random ids that are asked for at once. */
const IDS = 16

export interface AssociationGroupsOptions {
  /** What all requests that came in fragments may hold together, on all links of the caller, `bytes`. */
  readonly reassembly?: number
  /** What is kept of it for the next requests, where whoever served them needs it no more, `bytes`. */
  readonly spare?: number
  /** A group is over with its last link: what was kept for it can go. */
  readonly ended?: (group: number) => void
}

/**
 * Association groups: several links between the same client and server, so that bulk and small calls take different
 * ones (C706 12.6.3.1). Make one of these per caller: a link can only join a group that it finds in the same object, so
 * no caller joins that of another. A group is over with its last link.
 */
export class AssociationGroups {
  readonly #env: Env
  readonly #ended: ((group: number) => void) | undefined
  /** Links by group id. */
  readonly #links = new Map<number, number>()
  readonly #room: number
  /** Memory for requests in fragments that others were done with. It counts as held. */
  readonly spare: SpareMemory
  #held = 0
  /** Random ids of groups to come. */
  #ids: number[] = []

  constructor(env: Env, options: AssociationGroupsOptions = {}) {
    this.#env = env
    this.#ended = options.ended
    this.#room = options.reassembly ?? DEFAULT_RPC_LIMITS.reassembly
    this.spare = new SpareMemory(env, options.spare ?? DEFAULT_RPC_LIMITS.spare)
  }

  get size(): number {
    return this.#links.size
  }

  /** What the caller's requests that came in fragments hold now, `bytes`, and what is kept for the next. */
  get held(): number {
    return this.#held + this.spare.bytes
  }

  /** Takes memory for part of a request; false when the caller already holds as much as it may. What is spare never stands in the way. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.#room) return false
    if (this.held + bytes > this.#room) this.spare.drop()
    this.#held += bytes
    return true
  }

  /** Keeps the buffer that a request lay in for the next ones, where there is room for it. */
  keep(stub: Uint8Array): void {
    if (this.held + stub.buffer.byteLength <= this.#room) this.spare.keep(stub)
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  /** A new group with one link; its id is random and not zero, which on the wire asks for a new one. */
  open(): number {
    let id = this.#random()
    while (id === 0 || this.#links.has(id)) id = (id + 1) >>> 0
    this.#links.set(id, 1)
    return id
  }

  #random(): number {
    // Whoever is asked for a few bytes at a time needs longer for each than for all of them.
    if (this.#ids.length === 0) this.#ids = [...new Uint32Array(this.#env.random(new Uint8Array(4 * IDS)).buffer)]
    return this.#ids.pop() ?? 0
  }

  /** Adds a link to a group; false when there is none of that id. */
  join(id: number): boolean {
    const links = this.#links.get(id)
    if (links === undefined) return false
    this.#links.set(id, links + 1)
    return true
  }

  leave(id: number): void {
    const links = this.#links.get(id)
    if (links === undefined) return
    if (links > 1) {
      this.#links.set(id, links - 1)
      return
    }
    this.#links.delete(id)
    if (this.#links.size === 0) this.spare.drop()
    this.#ended?.(id)
  }
}
