import { BusbarError } from '../errors/index.ts'
import type { GuestConfig } from '../partition/index.ts'
import { openRegionTo } from '../transport/index.ts'

/**
 * Lets the guest's programs map the memory that this machine shares with others. A program that forwarded their bytes would cost each message two
 * turns of the scheduler. What they could do to each other there, they can do anyway: they are one user, and the bus knows them as one partition.
 * Whether there is such memory, all of it.
 */
export function openRegions({ regions, user }: GuestConfig, log: (line: string) => void): boolean {
  try {
    for (let region = 0; region < regions; region++) openRegionTo(region, user)
    return regions > 0
  } catch (thrown) {
    const { code, message } = BusbarError.from(thrown)
    log(`no memory is shared: ${code} ${message}`)
    return false
  }
}
