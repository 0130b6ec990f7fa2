/** Names of partitions: lower case, so that no two differ only in case, and valid as a host name label (RFC 1123). */
export const PARTITION_NAME: RegExp = /^[a-z][a-z0-9-]{0,62}$/

/** Names of services: what contracts are called, and safe in a path, a URL and a terminal. */
export const SERVICE_NAME: RegExp = /^[A-Za-z0-9._-]{1,128}$/

/**
 * The host's own programs: a target that rules may name, and that no partition may be called. As a caller it is the
 * operator of the bus, who is not subject to rules.
 */
export const HOST_NAME = 'host'

/**
 * Edit distance of two names, counted no further than `limit`: a letter too many, too few or wrong is one step, and so are two neighbours
 * in the wrong order (optimal string alignment).
 */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: readonly number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const change = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      let steps = Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        steps = Math.min(steps, (before[column - 2] ?? 0) + 1)
      }
      current.push(steps)
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? limit + 1
}

/** The known name that was probably meant; `undefined` when none is near. */
export function closestName(found: string, known: Iterable<string>): string | undefined {
  // Longer than any name: not a slip of the finger, and not worth comparing.
  if (found.length > 128) return undefined
  const limit = Math.max(1, Math.min(3, Math.floor(found.length / 3)))
  let best: string | undefined
  let least = limit + 1
  for (const name of known) {
    const steps = distance(found.toLowerCase(), name.toLowerCase(), limit)
    if (steps < least) {
      best = name
      least = steps
    }
  }
  return best
}
