import { copyBytes, Reader } from '../../bytes/index.ts'
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
  /** The longest response in fragments that came whole, `bytes`. */
  #proven = 0

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
    if (length > this.#limits.response) drop(call, tooLarge('response', this.#limits.response))
    else call.succeed(new Reader(view, call.little, at, length))
  }

  /** One fragment of several. A call whose response passes a limit fails at once, and the rest is dropped; see `drop`. */
  part(call: PendingCall, stub: Uint8Array, hint: number, last: boolean): void {
    const { response, reassembly } = this.#limits
    call.state = 'receiving'
    call.parts ??= new Reassembly(response, this.#env)
    const room = this.#room(call.parts, hint, stub.length)
    if (room === undefined) {
      drop(call, call.parts.fits(stub.length) ? tooLarge('reassembly', reassembly) : tooLarge('response', response))
      this.release(call)
      call.state = 'dropped'
    } else {
      copyBytes(stub, room)
      this.#took(call, call.parts, stub.length, last)
    }
  }

  /** Memory for a fragment of which only the front is sure to be there, as on the server: see `Receiving.land`. */
  land(call: PendingCall, hint: number, length: number, here: number): Uint8Array | undefined {
    if (call.parts !== undefined) return this.#room(call.parts, hint, length, here)
    if (call.begun) return undefined
    const parts = new Reassembly(this.#limits.response, this.#env)
    const room = this.#room(parts, hint, length, here, this.#held === 0 ? this.#proven : 0)
    if (room === undefined) return undefined
    call.parts = parts
    call.state = 'receiving'
    return room
  }

  /** A fragment for which `land` gave memory is whole, unless the call was let go of meanwhile. */
  landed(call: PendingCall, length: number, last: boolean): void {
    if (call.parts !== undefined) this.#took(call, call.parts, length, last)
  }

  #room(parts: Reassembly, hint: number, length: number, here = length, proven = 0): Uint8Array | undefined {
    if (!parts.fits(length)) return undefined
    const room = this.#limits.reassembly - this.#held + parts.memory
    let memory = parts.needs(length, hint, here, proven)
    if (memory > room) memory = parts.needs(length, 0)
    if (memory > room) return undefined
    this.#held += memory - parts.memory
    return parts.room(length, memory)
  }

  #took(call: PendingCall, parts: Reassembly, length: number, last: boolean): void {
    parts.took(length)
    if (last) this.#proven = Math.max(this.#proven, parts.length)
    if (last) call.succeed(new Reader(parts.finish(), call.little))
  }

  /** Lets go of what a call holds here. */
  release(call: PendingCall): void {
    if (call.parts === undefined) return
    this.#held -= call.parts.memory
    call.parts = undefined
  }
}

/** Fails a call whose response is not kept. What one gives that nobody reads cannot be given back but by ending the association. */
function drop(call: PendingCall, reason: BusbarError): void {
  if (call.gives) throw reason
  call.fail(reason)
}

function tooLarge(limit: 'response' | 'reassembly', bytes: number): BusbarError {
  return new BusbarError('LIMIT', `limit ${limit}: the response is larger than ${bytes} bytes`)
}
