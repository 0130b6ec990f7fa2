import { BusbarError } from '../errors/index.ts'
import type { Exchange } from './exchange.ts'
import { hresultOf, S_OK } from './hresult.ts'
import type { Methods } from './interface.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

/** What IRemUnknown does on one pipe. */
export function remUnknownMethods(exchange: Exchange): Methods {
  const { exports } = exchange
  return {
    RemQueryInterface() {
      throw new BusbarError('UNAVAILABLE', 'objects here have one interface each')
    },
    RemAddRef(refs) {
      return (refs as InterfaceRefs[]).map(({ ipid, references }) =>
        exports.addReferences(ipid, references) ? S_OK : hresultOf('INVALID_ARGUMENT'),
      )
    },
    RemRelease(refs) {
      for (const { ipid, references } of refs as InterfaceRefs[]) {
        // Either an object of ours that the peer lets go of, or one of its own that we sent home and that has arrived.
        if (!exports.release(ipid, references)) exchange.taker?.imports.returned(ipid, references)
      }
    },
  }
}
