import { type Env, patientTimer, type Timer } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import type { Outcome, Receiving } from './receiving.ts'

/** So many `bytes` of something in `unfinished` are progress (our choice: less than the slowest medium carries). */
const PROGRESS = 4_096

export interface PatienceOptions {
  readonly env: Env
  readonly limits: RpcLimits
  readonly access: RpcAccess
  readonly receiving: Receiving
  /** Closes the link, for that limit. */
  readonly cutOff: (limit: 'unbound' | 'unfinished', what: string) => void
  /** A request is given up. */
  readonly givenUp: (outcome: Outcome) => void
}

/**
 * How long a client may take for what it has begun: a bind, a PDU, a request in fragments. One timer for each link, which runs while the
 * client is not bound, and then from when something is there in part until it looks and nothing is. What is new since the last look
 * is looked at next time, so it has at least `unfinished`, and at most twice that. Time in which this process did not run does not
 * count, and what came meanwhile is read first.
 */
export class Patience {
  readonly #options: PatienceOptions
  #timer: Timer | undefined
  #bound = false
  #over = false
  /** How much of the unfinished PDU was there at the last look, `bytes`; `undefined` for one that is new. */
  #seen: number | undefined
  /** What had come over the link until then, `bytes`. */
  #received = 0

  constructor(options: PatienceOptions) {
    this.#options = options
  }

  /** The link is read from now on. */
  begin(): void {
    this.#arm(this.#options.limits.unbound, (late) => {
      if (late) this.begin()
      else this.#options.cutOff('unbound', 'milliseconds in which it did not bind')
    })
  }

  /** The client is bound. */
  bound(): void {
    this.#bound = true
    this.#stop()
  }

  /** A PDU is there in part, `anew` when the last one that was is finished. */
  partial(anew: boolean): void {
    if (anew) this.#seen = undefined
    this.watch()
  }

  /** A request is there in part. */
  watch(): void {
    if (this.#timer !== undefined || this.#over || !this.#bound) return
    this.#arm(this.#options.limits.unfinished, (late) => this.#look(late))
  }

  /** Nothing more is heard of the client. */
  over(): void {
    this.#over = true
    this.#stop()
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(time: number, due: (late: boolean) => void): void {
    this.#timer = patientTimer(this.#options.env, time, (late) => {
      this.#timer = undefined
      due(late)
    })
  }

  #look(late: boolean): void {
    const { access, receiving, limits, cutOff, givenUp } = this.#options
    const { held, received } = access
    const silent = received - this.#received < PROGRESS
    this.#received = received
    if (held === 0 && receiving.idle) return
    this.watch()
    // Nothing is read of a client that does not read: it is not slow, and has another limit.
    if (late || access.full) {
      this.#seen = undefined
      return receiving.looked()
    }
    const stuck = held > 0 && this.#seen !== undefined && held - this.#seen < PROGRESS
    this.#seen = held > 0 ? held : undefined
    if (stuck) return cutOff('unfinished', ofWhat('a PDU'))
    if (receiving.look(PROGRESS, received, silent ? 0 : 2 * limits.fragment, givenUp)) {
      cutOff('unfinished', ofWhat('a request'))
    }
  }
}

function ofWhat(begun: string): string {
  return `milliseconds in which nearly nothing came of ${begun} that it had begun`
}
