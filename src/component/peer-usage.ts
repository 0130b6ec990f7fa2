import { BusbarError } from '../errors/index.ts'
import { AssociationGroups, type Caller, DEFAULT_RPC_LIMITS, type Env } from '../rpc/index.ts'
import type { ObjectLimits } from './limits.ts'

/** What one peer uses of this side, on all its pipes together. */
export class PeerUsage {
  /** Objects that it holds. */
  objects = 0
  /** References to those. */
  references = 0
  /** References of its own that this side holds. */
  lent = 0
  /** Calls of it that run. */
  calls = 0
  /** Arguments of those, `bytes`. */
  bytes = 0
  /** Pipes that count here. */
  pipes = 0
  #groups: AssociationGroups | undefined

  /** What its pipes share below: the groups that they may join, and the memory for requests in fragments. The first pipe makes it. */
  groups(env: Env, { rpc }: ObjectLimits): AssociationGroups {
    const { reassembly, spare } = { ...DEFAULT_RPC_LIMITS, ...rpc }
    this.#groups ??= new AssociationGroups(env, { reassembly, spare })
    return this.#groups
  }
}

/** What of that the calls on one pipe use. */
export class PipeUsage {
  readonly #peer: PeerUsage
  readonly #limits: ObjectLimits
  #calls = 0
  #bytes = 0
  /** The pipe is over. */
  over = false

  constructor(peer: PeerUsage, limits: ObjectLimits) {
    this.#peer = peer
    this.#limits = limits
  }

  /** Why a call of `size` bytes may not run now; `undefined` when it may. */
  full(size: number): BusbarError | undefined {
    const { calls, bytes } = this.#peer
    const { peerCalls, peerBytes } = this.#limits
    if (calls >= peerCalls) {
      return new BusbarError('BUSY', `limit peerCalls: ${calls} calls of this peer run, at most ${peerCalls} may`)
    }
    // One call alone is bounded by the size of a request.
    if (calls > 0 && bytes + size > peerBytes) {
      return new BusbarError('BUSY', `limit peerBytes: calls of this peer hold ${bytes} of ${peerBytes} bytes`)
    }
    return undefined
  }

  begin(size: number): void {
    this.#calls++
    this.#bytes += size
    this.#peer.calls++
    this.#peer.bytes += size
  }

  finish(size: number): void {
    if (this.over) return
    this.#calls--
    this.#bytes -= size
    this.#peer.calls--
    this.#peer.bytes -= size
  }

  /** What still runs has nobody who waits for it, and is not held against the peer's other pipes. */
  end(): void {
    this.over = true
    this.#peer.calls -= this.#calls
    this.#peer.bytes -= this.#bytes
  }
}

/** Who uses how much. An attachment of a partition is one peer, whatever pipes it opens. */
export class PeerUsages {
  readonly #byPeer = new Map<string, PeerUsage>()

  get size(): number {
    return this.#byPeer.size
  }

  /** One more pipe of this caller, until `over`. */
  enter({ partition, epoch }: Caller): { readonly usage: PeerUsage; readonly over: () => void } {
    const name = `${epoch} ${partition}`
    const usage = this.#byPeer.get(name) ?? new PeerUsage()
    this.#byPeer.set(name, usage)
    usage.pipes++
    return {
      usage,
      over: () => {
        usage.pipes--
        if (usage.pipes === 0) this.#byPeer.delete(name)
      },
    }
  }
}
