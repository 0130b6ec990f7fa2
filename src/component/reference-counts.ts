import { BusbarError } from '../errors/index.ts'
import type { ExportTable } from './exports.ts'
import { hresultOf, S_OK } from './hresult.ts'
import type { Methods } from './interface.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

/** What IRemUnknown does on one association. */
export function remUnknownMethods(exports: ExportTable): Methods {
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
      for (const { ipid, references } of refs as InterfaceRefs[]) exports.release(ipid, references)
    },
  }
}
