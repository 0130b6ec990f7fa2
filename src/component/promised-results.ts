import type { Guid } from '../bytes/index.ts'
import type { IncomingCall } from '../rpc/index.ts'
import type { Interface } from './interface.ts'
import { promisingCall } from './promised-ipid.ts'

/** A call that waits for the object that it goes to. */
export interface WaitingCall {
  readonly through: Interface
  readonly call: IncomingCall
  /** Of its arguments, `bytes`. */
  readonly size: number
  /** When it came, `milliseconds` of the clock. */
  readonly since: number
  /** What it is going to give itself, when that is a reference. */
  readonly promise: PromisedResult | undefined
}

/** The reference that a call is going to give, as those see it that wait for it. */
export class PromisedResult {
  /** The number of the call that gives it. */
  readonly number: number
  /** What it turned out to be. */
  ipid: Guid | undefined
  /** The call runs; it waits itself for its object when it does not. */
  runs = false
  readonly #call: IncomingCall
  #waiting: WaitingCall[] = []

  constructor(number: number, call: IncomingCall) {
    this.number = number
    this.#call = call
  }

  /** Nothing will come of it: a call that was cancelled gives nothing, whatever it answers. */
  get lost(): boolean {
    return this.#call.cancelled
  }

  /** `lost` is told when the call that gives it is cancelled, so that nothing waits for a component that does not heed that. */
  add(waiting: WaitingCall, lost: () => void): void {
    this.#waiting.push(waiting)
    if (this.#waiting.length === 1) this.#call.signal.addEventListener('abort', lost, { once: true })
  }

  /** Those that wait, in the order in which they came; they wait no longer. */
  take(): WaitingCall[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }
}

/**
 * What the calls of one association give whose result is a reference, by the numbers that the caller gave them: so that a call
 * can name it before the caller has the answer.
 */
export class PromisedResults {
  readonly #most: number
  readonly #running = new Map<number, PromisedResult>()
  /** IPIDs that were given, of the last calls that were answered. The caller knows them now, or is about to. */
  readonly #given: Guid[] = []
  /** Of how many calls there were some, and which of them each number was. */
  #answered = 0
  #places = new Map<number, number>()
  /** The same of calls that were answered before all of those: forgotten together, which costs less than one by one. */
  #before = new Map<number, number>()

  /**
   * Keeps what the last `most` calls gave: as many as the association takes at a time. When a caller names one, its answer has not
   * arrived there, so neither has any behind it, and all of those were under way together.
   */
  constructor(most: number) {
    this.#most = most
  }

  /** A call begins whose result is a reference. A number that is in use already names the first one alone. */
  begin(number: number, call: IncomingCall): PromisedResult | undefined {
    if (this.#running.has(number)) return undefined
    const result = new PromisedResult(number, call)
    this.#running.set(number, result)
    return result
  }

  /** It was answered: what it gave can be named for a while, by this number. */
  end(result: PromisedResult): void {
    const { number, ipid } = result
    if (this.#running.get(number) !== result) return
    this.#running.delete(number)
    if (ipid === undefined) {
      this.#places.delete(number)
      this.#before.delete(number)
      return
    }
    if (this.#places.size >= this.#most) {
      this.#before = this.#places
      this.#places = new Map()
    }
    this.#places.set(number, this.#answered)
    this.#given[this.#answered % this.#most] = ipid
    this.#answered++
  }

  /** What a name stands for: an IPID, or what is still to come; `undefined` when nothing can come of it. */
  find(name: Guid | undefined): Guid | PromisedResult | undefined {
    const number = promisingCall(name)
    if (number === undefined) return undefined
    const running = this.#running.get(number)
    if (running !== undefined) return running
    const place = this.#places.get(number) ?? this.#before.get(number)
    if (place === undefined || place < this.#answered - this.#most) return undefined
    return this.#given[place % this.#most]
  }
}
