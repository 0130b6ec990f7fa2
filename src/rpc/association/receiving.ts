import { copyBytes } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { Env } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import { readHint } from '../pdu/call.ts'
import { PFC, type PduHeader } from '../pdu/header.ts'
import type { AssociationGroups } from './groups.ts'
import type { ServerCall } from './incoming-call.ts'
import { Reassembly } from './reassembly.ts'

/** Where the fragments of a request stand. */
type State =
  /** The first fragment is in, the last is not. */
  | Gathering
  /** The request was refused at its first fragment or grew too large; the rest is thrown away. */
  | Skipping

interface Begun {
  readonly id: number
  /**
   * The client sent `orphaned` before the last fragment. By C706 12.6.4.8 nothing more comes of that request, so another
   * may begin; Windows and Samba do not heed it there, so more may come as well.
   */
  orphaned: boolean
  /** How much of it had come at the last look that found progress, `bytes`, and of everything on the link. */
  seen?: number
  seenAt?: number
}

interface Gathering extends Begun {
  readonly kind: 'gathering'
  readonly call: ServerCall
  readonly parts: Reassembly
  /** A fragment of it is being put where it belongs. */
  landing?: boolean
}

interface Skipping extends Begun {
  readonly kind: 'skipping'
  /** What was thrown away, `bytes`. */
  skipped: number
}

/** What a fragment leads to: the request is whole, or it is refused for a reason. */
export interface Outcome {
  readonly call: ServerCall
  readonly refused: 'BUSY' | 'DENIED' | undefined
}

/**
 * The requests of one client that come in fragments: one after the other, since those of two requests may not mix, unless that was agreed
 * on, as two Busbars do.
 */
export class Receiving {
  /** Fragments of different requests may mix. */
  interleaved = false
  readonly #limits: RpcLimits
  readonly #groups: AssociationGroups
  readonly #env: Env
  /** By call id; one at most where fragments may not mix. */
  readonly #states = new Map<number, State>()
  /** The longest request that came whole, `bytes`. */
  #proven = 0

  constructor(limits: RpcLimits, groups: AssociationGroups, env: Env) {
    this.#limits = limits
    this.#env = env
    this.#groups = groups
  }

  /** Between two requests. */
  get idle(): boolean {
    return this.#states.size === 0
  }

  /** Requests that are arriving. */
  get size(): number {
    return this.#states.size
  }

  /** The call that a fragment was to go on with. */
  call(id: number): ServerCall | undefined {
    const state = this.interleaved ? this.#states.get(id) : this.#only()
    return state?.kind === 'gathering' ? state.call : undefined
  }

  /** Whether a first fragment with that id begins a request, and breaks no rule. */
  begins(id: number): boolean {
    return this.interleaved ? !this.#states.has(id) : this.#states.size === 0
  }

  /** The first fragment is in; without a `call` the request was refused. */
  begin(id: number, call: ServerCall | undefined): void {
    if (this.#states.size >= this.#limits.calls) {
      const message = `limit calls: more than ${this.#limits.calls} requests in fragments at the same time`
      throw new BusbarError('LIMIT', message)
    }
    const begun = { id, orphaned: false }
    this.#states.set(
      id,
      call === undefined
        ? { ...begun, kind: 'skipping', skipped: 0 }
        : { ...begun, kind: 'gathering', call, parts: new Reassembly(this.#limits.request, this.#env) },
    )
  }

  /** Whether a fragment belongs to a request that is arriving; only behind an orphaned one may another begin, unless they may mix. */
  goesOn(header: PduHeader): boolean {
    const state = this.interleaved ? this.#states.get(header.callId) : this.#only()
    if (state === undefined) return false
    const first = (header.flags & PFC.FIRST) !== 0
    if (!first && header.callId === state.id) return true
    if (!first || !state.orphaned) {
      throw new BusbarError('PROTOCOL', `fragments of calls ${state.id} and ${header.callId} are mixed`)
    }
    this.#forget(state)
    return false
  }

  /** Takes a fragment of the request that is arriving; `undefined` while there is nothing to do about it. */
  take(header: PduHeader, view: DataView, at: number, stub: Uint8Array): Outcome | undefined {
    const state = this.#states.get(header.callId)
    if (state === undefined) return undefined
    const outcome =
      state.kind === 'gathering'
        ? this.#gather(state, header, readHint(view, at, header.little), stub)
        : this.#skip(state, stub.length)
    if ((header.flags & PFC.LAST) !== 0) this.#states.delete(header.callId)
    return outcome
  }

  /** `co_cancel` or `orphaned`; false when it is not for the request that is arriving. */
  cancel(id: number, orphaned: boolean, reason: BusbarError): boolean {
    const state = this.#states.get(id)
    if (state === undefined) return false
    if (orphaned) state.orphaned = true
    if (state.kind === 'gathering') state.call.cancel(reason)
    return true
  }

  /** Nothing could come: what is arriving has all its time again. */
  looked(): void {
    for (const state of this.#states.values()) delete state.seen
  }

  /**
   * Looks for requests of which less than `progress` came since the last look, and returns whether the link is to be closed for one: where it
   * is silent, `most` being 0. Where it goes on otherwise, a request gives up its memory when `most` bytes came of others. `received` is
   * what came over the link.
   */
  look(progress: number, received: number, most: number, givenUp: (outcome: Outcome) => void): boolean {
    for (const state of [...this.#states.values()]) {
      const bytes = state.kind === 'gathering' ? state.parts.length : state.skipped
      if (state.seen === undefined || bytes - state.seen >= progress) {
        state.seen = bytes
        state.seenAt = received
      } else if (most === 0) {
        if (!state.orphaned) return true
        // Nothing more comes of it.
        this.#forget(state)
      } else if (state.kind === 'gathering' && state.landing !== true && received - (state.seenAt ?? 0) >= most) {
        givenUp(this.#giveUp(state, 0, 'BUSY'))
      }
    }
    return false
  }

  /** Lets go of everything that is arriving. */
  drop(): void {
    for (const state of this.#states.values()) this.#forget(state)
  }

  /**
   * Memory for the `length` bytes of stub of a fragment of which only the front is sure to be there, and `here` bytes in all, so that they are put where they
   * belong; then `landed` takes it. `undefined` when nothing speaks for that: `take` decides when the fragment is whole.
   */
  land(header: PduHeader, hint: number, length: number, here: number): Uint8Array | undefined {
    const state = this.#states.get(header.callId)
    if (state?.kind !== 'gathering' || (header.flags & PFC.FIRST) !== 0) return undefined
    if (header.little !== state.call.little) return undefined
    const room = this.#room(state, hint, length, here)
    state.landing = room !== undefined
    return room
  }

  /** The same for the first fragment of `call`, of which `begins` is true. */
  landFirst(call: ServerCall, hint: number, length: number, here: number): Uint8Array | undefined {
    const { calls, request } = this.#limits
    if (this.#states.size >= calls || hint > request) return undefined
    const parts = new Reassembly(request, this.#env)
    const state: Gathering = { id: call.id, orphaned: false, kind: 'gathering', call, parts, landing: true }
    // One who sent long requests before is believed where at most one such is on its way.
    const room = this.#room(state, hint, length, here, this.#states.size === 0 ? this.#proven : 0)
    if (room !== undefined) this.#states.set(call.id, state)
    return room
  }

  /** A fragment for which `land` gave memory is whole, and lies there. */
  landed(header: PduHeader, length: number): Outcome | undefined {
    const state = this.#states.get(header.callId)
    if (state?.kind !== 'gathering') return undefined
    state.landing = false
    const outcome = this.#took(state, header, length)
    if (outcome !== undefined) this.#states.delete(header.callId)
    return outcome
  }

  #gather(gathering: Gathering, header: PduHeader, hint: number, stub: Uint8Array): Outcome | undefined {
    const { call, parts } = gathering
    if (header.little !== call.little) throw new BusbarError('PROTOCOL', 'byte order changed between fragments')
    // A request that announces too much is refused before it comes; any other announcement is only a hint.
    const announced = parts.length === 0 && hint > this.#limits.request
    // Denied is what Windows and Samba say to a request above their limit (MS-RPCE 3.3.3.5.4).
    if (announced || !parts.fits(stub.length)) return this.#giveUp(gathering, stub.length, 'DENIED')
    const room = this.#room(gathering, hint, stub.length)
    if (room === undefined) return this.#giveUp(gathering, stub.length, 'BUSY')
    copyBytes(stub, room)
    return this.#took(gathering, header, stub.length)
  }

  /** What the caller holds is the memory that was taken for it, not what it has sent so far. */
  #room({ call, parts }: Gathering, hint: number, length: number, here = length, proven = 0): Uint8Array | undefined {
    if (!parts.fits(length)) return undefined
    let memory = parts.needs(length, hint, here, proven)
    const spare = parts.memory === 0 ? this.#groups.spare.take(memory) : undefined
    if (spare !== undefined) {
      // There is as much room for it as there was while it was spare.
      this.#groups.hold(spare.length)
      call.held += spare.length
      return parts.use(spare, length)
    }
    if (!this.#groups.hold(memory - parts.memory)) {
      memory = parts.needs(length, 0)
      if (!this.#groups.hold(memory - parts.memory)) return undefined
    }
    call.held += memory - parts.memory
    return parts.room(length, memory)
  }

  #took({ call, parts }: Gathering, header: PduHeader, length: number): Outcome | undefined {
    parts.took(length)
    if ((header.flags & PFC.LAST) === 0) return undefined
    const stub = parts.finish()
    call.stub = stub
    this.#proven = Math.max(this.#proven, stub.length)
    this.#groups.release(call.held - stub.length)
    call.held = stub.length
    return { call, refused: undefined }
  }

  #giveUp(gathering: Gathering, bytes: number, refused: 'BUSY' | 'DENIED'): Outcome {
    const { call, id, orphaned, parts } = gathering
    this.#forget(gathering)
    this.#states.set(id, { kind: 'skipping', id, orphaned, skipped: parts.length + bytes })
    return { call, refused }
  }

  #skip(skipping: Skipping, bytes: number): undefined {
    skipping.skipped += bytes
    if (skipping.skipped <= this.#limits.refused) return
    const message = `limit refused: a client sent more than ${this.#limits.refused} bytes of a request that was refused`
    throw new BusbarError('LIMIT', message)
  }

  #forget(state: State): void {
    if (state.kind === 'gathering') this.#groups.release(state.call.held)
    this.#states.delete(state.id)
  }

  #only(): State | undefined {
    for (const state of this.#states.values()) return state
    return undefined
  }
}
