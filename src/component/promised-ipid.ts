import { type Guid, guidFromName } from '../bytes/index.ts'
import { BUSBAR_NAMESPACE } from '../rpc/index.ts'

/** Every name of what a call is going to give ends like this. A version 5 GUID, so no identity that was drawn is one. */
const TAIL: string = guidFromName(BUSBAR_NAMESPACE, 'object promised 1').slice(8)

/** What names the reference that the call of that number is going to give, in place of an IPID. */
export function promisedIpid(call: number): Guid {
  return call.toString(16).padStart(8, '0') + TAIL
}

/** The number of the call that gives what is named; `undefined` when it is no such name. */
export function promisingCall(ipid: Guid | undefined): number | undefined {
  return ipid?.endsWith(TAIL) === true ? Number.parseInt(ipid.slice(0, 8), 16) : undefined
}
