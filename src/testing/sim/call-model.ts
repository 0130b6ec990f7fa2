import type { Caller } from '../../bus/index.ts'
import type { Report } from './report.ts'

/** A call, from the moment that it is made. */
export interface CallModel {
  readonly id: number
  readonly caller: Caller
  /** It must not reach anybody: its pipe was known to be closed when it was made, or it was said that it was never sent. */
  tooLate: boolean
  /** How often a component was called with its number. */
  invoked: number
  /** The component has answered. */
  answered: boolean
  /** Whether the caller cancelled it and waits for nothing of it any more, while its association stands. */
  forgotten?: () => boolean
}

/** All calls of a run, and the objects that are alive because of them. */
export class CallTable {
  readonly #report: Report
  readonly #calls = new Map<number, CallModel>()
  readonly #sums = new Map<number, number>()

  constructor(report: Report) {
    this.#report = report
  }

  add(caller: Caller, tooLate: boolean): CallModel {
    const call: CallModel = { id: this.#calls.size + 1, caller, tooLate, invoked: 0, answered: false }
    this.#calls.set(call.id, call)
    return call
  }

  find(id: number): CallModel | undefined {
    return this.#calls.get(id)
  }

  /** A component was called: at most once for each call (I3), never after the end, and by who made the call (I5). */
  invoked(id: number, caller: Caller, tainted: boolean): CallModel | undefined {
    const call = this.#calls.get(id)
    if (tainted) return call
    if (call === undefined) {
      this.#report.fail('I3', `a component was called with ${id}, and nobody made that call`)
      return undefined
    }
    call.invoked++
    this.#report.check(call.invoked === 1, 'I3', () => `call ${id} reached a component ${call.invoked} times`)
    this.#report.check(
      !call.tooLate,
      'I3',
      () => `call ${id} was made on a closed pipe, or not sent, and reached a component`,
    )
    this.#report.check(call.caller.partition === caller.partition && call.caller.epoch === caller.epoch, 'I5', () => {
      return `call ${id} is from ${caller.partition} epoch ${caller.epoch} says the bus, but ${call.caller.partition} epoch ${call.caller.epoch} made it`
    })
    return call
  }

  /** An object of session `session` is made. */
  made(session: number): void {
    this.#sums.set(session, this.alive(session) + 1)
  }

  disposed(session: number): void {
    const left = this.alive(session) - 1
    this.#report.check(left >= 0, 'I8', () => `an object of session ${session} was disposed of twice`)
    this.#sums.set(session, left)
  }

  /** Objects of one session that were made and not disposed of. */
  alive(session: number): number {
    return this.#sums.get(session) ?? 0
  }
}
