import { type Guid, guidFromName, parseGuid } from '../../bytes/index.ts'
import { refuse } from './names.ts'

/** Namespace of every identity that is derived from a name. Our choice: random once, never to change. */
export const BUSBAR_NAMESPACE: Guid = '7c6f2d8e-93a4-4b51-8f0e-2a5d1c9b7e64'

/** A contract's version: the same major number means the same interface, a higher minor number means more methods. */
export interface ContractVersion {
  readonly major: number
  readonly minor: number
}

/** Reads `major.minor`, each 0 to 65535. Fixed by the protocol: both are 16 bits (C706, 12.6.4.3). */
export function parseVersion(name: string, text: string): ContractVersion {
  const match = /^(\d{1,5})\.(\d{1,5})$/.exec(text)
  const major = Number(match?.[1])
  const minor = Number(match?.[2])
  if (match === null || major > 0xffff || minor > 0xffff) {
    refuse(`contract ${name}: version ${JSON.stringify(text)} is not "major.minor" with numbers up to 65535`)
  }
  return { major, minor }
}

/** The interface identifier that follows from a contract's name and major version. */
export function derivedGuid({ name, major }: { readonly name: string; readonly major: number }): Guid {
  return guidFromName(BUSBAR_NAMESPACE, `interface ${name} ${major}`)
}

/** The interface identifier of a contract: given by hand, or derived from its name and major version. */
export function contractGuid(name: string, version: ContractVersion, given: Guid | undefined): Guid {
  return given === undefined ? derivedGuid({ name, major: version.major }) : parseGuid(given)
}

/** The interface identifier of the stream that a method returns: derived from its contract's and from where it stands. */
export function streamGuid(contract: Guid, path: string): Guid {
  return guidFromName(contract, `stream ${path}`)
}
