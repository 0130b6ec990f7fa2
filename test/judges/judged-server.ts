/**
 * The server that the judges judge where the interface that they call is not ours: what `npm run peer:rpcecho` serves, and as
 * much of three interfaces of Windows as Samba's tests need to reach the protocol underneath.
 *
 *   judged-server.ts ADDRESS [CAPTURE]
 */
import { randomUUID } from 'node:crypto'
import { contract, FaultError, method, type PlainImplementation, plainInterface, t } from '../../src/rpc/index.ts'
import { NO_HANDLE, RpcEcho, rpcEcho } from '../../src/services/index.ts'
import { listenPlain, type Named } from '../../scripts/plain-server.ts'
import { recorder } from './recorder.ts'

const { idl } = t

/** MS-LSAD: opens and closes a policy object. */
const LocalSecurity = contract(
  'lsarpc',
  { version: '0.0', uuid: '12345778-1234-abcd-ef00-0123456789ab' },
  {
    close: method({ handle: idl.handle }, idl.out({ handle: idl.handle }, idl.status)),
    openPolicy2: method({}, idl.out({ handle: idl.handle }, idl.status), { opnum: 44 }),
  },
)
/** A policy object is open in the association group that opened it, and in no other. */
function localSecurity(): PlainImplementation<typeof LocalSecurity> {
  const policies = new Set<string>()
  return {
    close({ handle }) {
      if (!policies.delete(handle.uuid)) throw FaultError.contextMismatch()
      return { handle: NO_HANDLE, result: 0 }
    },
    openPolicy2() {
      const uuid = randomUUID()
      policies.add(uuid)
      return { handle: { attributes: 0, uuid }, result: 0 }
    },
  }
}

/** MS-DSSP: tells nothing about the domain. */
const DirectorySetup = contract(
  'dssetup',
  { version: '0.0', uuid: '3919286a-b10c-11d0-9ba8-00c04fd92ef5' },
  { getPrimaryDomainInformation: method({}, idl.out({ info: t.optional(t.uint32) }, idl.status)) },
)
const directorySetup: PlainImplementation<typeof DirectorySetup> = {
  getPrimaryDomainInformation: () => ({ result: 0 }),
}

/** MS-NRPC: answers a challenge. */
const Netlogon = contract(
  'netlogon',
  { version: '1.0', uuid: '12345678-1234-abcd-ef00-01234567cffb' },
  { serverReqChallenge: method({}, idl.out({ credential: idl.bytes({ fixed: 8 }) }, idl.status), { opnum: 4 }) },
)
const netlogon: PlainImplementation<typeof Netlogon> = {
  serverReqChallenge: () => ({ credential: new Uint8Array(8), result: 0 }),
}

/** Samba's tests send arguments that these contracts do not have, or several times over, or just zeros: Windows and Samba take no notice. */
const ignoreTrailing = true

const named: Named[] = [
  { annotation: 'rpcecho', served: () => plainInterface(RpcEcho, rpcEcho) },
  { annotation: 'lsarpc', served: () => plainInterface(LocalSecurity, localSecurity(), { ignoreTrailing }) },
  { annotation: 'dssetup', served: () => plainInterface(DirectorySetup, directorySetup, { ignoreTrailing }) },
  { annotation: 'netlogon', served: () => plainInterface(Netlogon, netlogon, { ignoreTrailing }) },
]
/** The size that Windows and Samba take over TCP, which Samba's tests expect of everyone, `bytes`. */
const fragment = 5_840

const [, , address = '127.0.0.1:135', file] = process.argv
const tap = file === undefined ? undefined : recorder(file)
const where = await listenPlain(address, named, { fragment, ignoreTrailing, ...(tap === undefined ? {} : { tap }) })
process.stdout.write(`listening on ${where}\n`)
