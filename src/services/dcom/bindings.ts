import { Writer } from '../../bytes/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { Taken } from '../../rpc/index.ts'
import type { DualStringArray } from './contracts.ts'

/** `ncacn_ip_tcp` as a tower identifier (MS-DCOM 2.2.19.3). */
export const TCP = 7
/** Longest address with its port, UTF-16 units (our choice: a name of 255 characters and a port). */
const MAX_ADDRESS = 264

export type DualStrings = Taken<typeof DualStringArray>

/** Where an exporter is reached: one address with its port in brackets, over TCP, and no way to prove who anybody is. */
export function bindingsOf(address: string): DualStrings {
  if (address === '' || address.length > MAX_ADDRESS || address.includes('\0')) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `an address of ${address.length} characters; expected 1 to ${MAX_ADDRESS}`,
    )
  }
  const text = Array.from({ length: address.length }, (_, at) => address.charCodeAt(at))
  // The tower, the address and its end; the end of the list; the end of an empty list.
  const strings = [TCP, ...text, 0, 0]
  const aStringArray = [...strings, 0]
  return { wNumEntries: aStringArray.length, wSecurityOffset: strings.length, aStringArray }
}

/** The same as it stands in an OBJREF: packed, little-endian. */
export function packBindings({ wNumEntries, wSecurityOffset, aStringArray }: DualStrings): Uint8Array {
  const writer = new Writer(true, 4 + wNumEntries * 2)
  writer.u16(wNumEntries)
  writer.u16(wSecurityOffset)
  for (const unit of aStringArray) writer.u16(unit)
  return writer.finish()
}
