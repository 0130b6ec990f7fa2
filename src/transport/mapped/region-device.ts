import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { BusbarError } from '../../errors/index.ts'
import { MAX_REGIONS } from './limits.ts'

/**
 * Host and guest know a region by its number, and the number says where the device is: what stands in the memory cannot say which region it is,
 * since the other machine can write it. Slots 16 to 23 of the root bus, which nothing else takes.
 */
const FIRST_SLOT = 0x10
const FUNCTIONS = 8
/** ivshmem (QEMU `docs/specs/ivshmem-spec.txt`): the memory is BAR 2. */
const VENDOR = '0x1af4'
const DEVICE = '0x1110'

/** `addr` of the QEMU device of that region: slot and function, in hexadecimal. */
export function regionAddress(region: number): string {
  if (!Number.isInteger(region) || region < 0 || region >= MAX_REGIONS) {
    throw new BusbarError('LIMIT', `region ${region}: a machine has at most ${MAX_REGIONS}`)
  }
  return `${(FIRST_SLOT + Math.floor(region / FUNCTIONS)).toString(16)}.${region % FUNCTIONS}`
}

/** Path, in the guest, of the memory of that region. */
export function regionPath(region: number): string {
  return `${deviceDirectory(region)}/resource2`
}

function deviceDirectory(region: number): string {
  return `/sys/bus/pci/devices/0000:00:${regionAddress(region)}`
}

/**
 * Turns the device of a region on, and lets this user, and nobody else, map its memory. As root, in the guest. `UNAVAILABLE` when there is no such
 * device.
 */
export function openRegionTo(region: number, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const directory = deviceDirectory(region)
  try {
    const [vendor, device] = ['vendor', 'device'].map((name) => readFileSync(`${directory}/${name}`, 'utf8').trim())
    if (vendor !== VENDOR || device !== DEVICE) {
      throw new BusbarError('UNAVAILABLE', `the device of region ${region} is ${vendor}:${device}, no shared memory`)
    }
    writeFileSync(`${directory}/enable`, '1')
    chmodSync(regionPath(region), 0o600)
    chownSync(regionPath(region), uid, gid)
  } catch (thrown) {
    if (thrown instanceof BusbarError) throw thrown
    throw new BusbarError('UNAVAILABLE', `the device of region ${region} is not there`, { cause: thrown })
  }
}
