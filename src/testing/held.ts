import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The descriptors of this process that lead to such places, on Linux, each with where it leads to: for tests that nothing is left. */
export function descriptorsTo(places: RegExp): Map<number, string> {
  const found = new Map<number, string>()
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const place = readlinkSync(`/proc/self/fd/${fd}`)
      if (places.test(place)) found.set(Number(fd), place)
    } catch {
      // That of the listing itself.
    }
  }
  return found
}

/** What this process has mapped of memory for rings, a line for each mapping. It has no name anywhere: whatever is left of it is held by somebody. */
export function mappedRings(): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('memfd:busbar'))
}

/** All that this process holds of such memory: descriptors and mappings. */
export function heldRings(): string[] {
  return [...descriptorsTo(/memfd:busbar/).values(), ...mappedRings()]
}
