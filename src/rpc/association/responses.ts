import { Reader } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { Env } from '../../link/index.ts'
import type { RpcLimits } from '../limits.ts'
import type { PendingCall } from './pending-call.ts'
import { Reassembly } from './reassembly.ts'

/** The responses of one client: hands whole ones to their calls and puts together those that come in fragments. */
export class Responses {
  readonly #limits: RpcLimits
  readonly #env: Env
  #held = 0

  constructor(limits: RpcLimits, env: Env) {
    this.#limits = limits
    this.#env = env
  }

  /** What unfinished responses hold, `bytes`. */
  get held(): number {
    return this.#held
  }

  /** A response in one fragment. */
  whole(call: PendingCall, view: DataView, at: number, length: number): void {
    if (length > this.#limits.response) call.fail(tooLarge(this.#limits.response))
    else call.succeed(new Reader(view, call.little, at, length))
  }

  /** One fragment of several. A call whose response passes a limit fails at once, and the rest is dropped. */
  part(call: PendingCall, stub: Uint8Array, hint: number, last: boolean): void {
    const { response, reassembly } = this.#limits
    call.state = 'receiving'
    call.parts ??= new Reassembly(response, this.#env)
    const room = this.#room(call.parts, hint, stub.length)
    if (room === undefined) {
      call.fail(tooLarge(call.parts.fits(stub.length) ? reassembly : response))
      this.release(call)
      call.state = 'dropped'
    } else {
      room.set(stub)
      this.#took(call, call.parts, stub.length, last)
    }
  }

  /** Memory for the rest of a fragment of which only the front has come, as on the server: see `Receiving.land`. */
  land(call: PendingCall, hint: number, length: number): Uint8Array | undefined {
    return call.parts === undefined ? undefined : this.#room(call.parts, hint, length)
  }

  /** A fragment for which `land` gave memory is whole, unless the call was let go of meanwhile. */
  landed(call: PendingCall, length: number, last: boolean): void {
    if (call.parts !== undefined) this.#took(call, call.parts, length, last)
  }

  #room(parts: Reassembly, hint: number, length: number): Uint8Array | undefined {
    if (!parts.fits(length)) return undefined
    for (const memory of [parts.needs(length, hint), parts.needs(length, 0)]) {
      const more = memory - parts.memory
      if (this.#held + more > this.#limits.reassembly) continue
      this.#held += more
      return parts.room(length, memory)
    }
    return undefined
  }

  #took(call: PendingCall, parts: Reassembly, length: number, last: boolean): void {
    parts.took(length)
    if (last) call.succeed(new Reader(parts.finish(), call.little))
  }

  /** Lets go of what a call holds here. */
  release(call: PendingCall): void {
    if (call.parts === undefined) return
    this.#held -= call.parts.memory
    call.parts = undefined
  }
}

function tooLarge(limit: number): BusbarError {
  return new BusbarError('LIMIT', `the response is larger than the limit of ${limit} bytes`)
}
