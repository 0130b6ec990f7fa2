import { BusbarError } from '../../errors/index.ts'
import type { RpcLimits } from '../limits.ts'
import type { PendingCall } from './pending-call.ts'
import { Reassembly } from './reassembly.ts'

/** The responses of one client: hands whole ones to their calls and puts together those that come in fragments. */
export class Responses {
  readonly #limits: RpcLimits
  #held = 0

  constructor(limits: RpcLimits) {
    this.#limits = limits
  }

  /** What unfinished responses hold, `bytes`. */
  get held(): number {
    return this.#held
  }

  /** A response in one fragment. */
  whole(call: PendingCall, stub: Uint8Array): void {
    if (stub.length > this.#limits.response) call.fail(tooLarge(this.#limits.response))
    else call.succeed({ stub, little: call.little })
  }

  /** One fragment of several. A call whose response passes a limit fails at once, and the rest is dropped. */
  part(call: PendingCall, stub: Uint8Array, hint: number, last: boolean): void {
    const { response, reassembly } = this.#limits
    call.state = 'receiving'
    call.parts ??= new Reassembly(response)
    const room = reassembly - this.#held
    if (stub.length > room || !call.parts.add(stub, Math.min(hint, room))) {
      call.fail(tooLarge(stub.length > room ? reassembly : response))
      this.release(call)
      call.state = 'dropped'
    } else {
      this.#held += stub.length
      if (last) call.succeed({ stub: call.parts.finish(), little: call.little })
    }
  }

  /** Lets go of what a call holds here. */
  release(call: PendingCall): void {
    if (call.parts === undefined) return
    this.#held -= call.parts.length
    call.parts = undefined
  }
}

function tooLarge(limit: number): BusbarError {
  return new BusbarError('LIMIT', `the response is larger than the limit of ${limit} bytes`)
}
