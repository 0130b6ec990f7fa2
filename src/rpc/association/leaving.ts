import type { BusbarError } from '../../errors/index.ts'
import type { Env, Timer } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import { encodeBindNak } from '../pdu/bind.ts'
import { readContextId } from '../pdu/call.ts'
import { ENOUGH } from '../pdu/cutter.ts'
import { type PduHeader, tooLong } from '../pdu/header.ts'
import { PDUS } from '../pdu/table.ts'
import { sendFault } from './fragments.ts'
import { alterFault, type LastFault, nakReason, requestFault } from './last-word.ts'
import type { Receiving } from './receiving.ts'
import type { ServerBinding } from './server-binding.ts'

export interface LeavingOptions {
  readonly access: RpcAccess
  readonly env: Env
  readonly limits: RpcLimits
  readonly binding: ServerBinding
  readonly receiving: Receiving
  /** Told behind the last word, before the link closes. */
  readonly left: (error: BusbarError) => void
}

/** How a server leaves a client that broke the protocol. */
export class Leaving {
  readonly #options: LeavingOptions
  #reason: BusbarError | undefined
  #timer: Timer | undefined

  constructor(options: LeavingOptions) {
    this.#options = options
  }

  /** Why the link is about to close. */
  get reason(): BusbarError | undefined {
    return this.#reason
  }

  /** A client that breaks the protocol is told so where the standard has a word for it; then the link closes. */
  violated(header: PduHeader, pdu: Uint8Array, error: BusbarError): never {
    const { access, binding, receiving } = this.#options
    const { bound } = binding
    if (error.code === 'LIMIT') throw error
    switch (header.type) {
      case PDUS.bind.number:
        access.send(encodeBindNak(header.callId, nakReason(header, pdu)))
        return this.#leave(error)
      case PDUS.alter_context.number:
        return this.#fault(alterFault(header, error), error)
      case PDUS.request.number: {
        const contextId = readContextId(new DataView(pdu.buffer, pdu.byteOffset), 0, header.little)
        const gathering = receiving.call(header.callId)
        const fault = requestFault(header, error, { gathering, bound, contextId })
        return this.#fault(fault, error)
      }
      default:
        throw error
    }
  }

  /** A PDU is above the limit: it is answered, or closes the link. */
  tooLong(header: PduHeader): void {
    if (header.type !== PDUS.request.number) return
    const error = tooLong(header, this.#options.limits.fragment)
    const fault = requestFault(header, error, { gathering: undefined, bound: true, contextId: 0 })
    this.#fault(fault, error)
  }

  /** Said of the link more than of the call: also to one who wants no answer, as Windows and Samba do. */
  #fault({ callId, contextId, status, notExecuted }: LastFault, error: BusbarError): never {
    sendFault(this.#options.access, callId, contextId, status, notExecuted)
    return this.#leave(error)
  }

  /** Ends behind the last word and hears nothing more: closing at once would drop what the client has not read yet. */
  #leave(error: BusbarError): never {
    const { access, env, limits, left } = this.#options
    this.#reason = error
    left(error)
    access.end()
    this.#timer = env.timer(limits.linger, () => access.close(error))
    throw ENOUGH
  }

  /** The link is over. */
  over(): void {
    this.#timer?.cancel()
  }
}
