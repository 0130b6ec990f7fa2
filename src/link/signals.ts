/** Who is told when one signal fires, and the one listener that tells them. */
interface Watched {
  readonly told: Set<() => void>
  readonly listener: () => void
}

const watched = new WeakMap<AbortSignal, Watched>()

/**
 * Calls `fired` once when the signal fires, unless `unwatchSignal` says otherwise before. Each `fired` counts once.
 *
 * There is one listener for each signal, however many calls and openings are under it: a program may well give all of them the same one,
 * and Node takes the eleventh listener on a signal for a leak and prints a warning.
 */
export function watchSignal(signal: AbortSignal, fired: () => void): void {
  let found = watched.get(signal)
  if (found === undefined) {
    const told = new Set<() => void>()
    const listener = (): void => {
      try {
        // Who is removed meanwhile is not told.
        tell(told.values())
      } finally {
        watched.delete(signal)
        signal.removeEventListener('abort', listener)
      }
    }
    found = { told, listener }
    watched.set(signal, found)
    signal.addEventListener('abort', listener)
  }
  found.told.add(fired)
}

/** Nothing is left on a signal that nobody waits for any more. */
export function unwatchSignal(signal: AbortSignal, fired: () => void): void {
  const found = watched.get(signal)
  if (found === undefined || !found.told.delete(fired) || found.told.size > 0) return
  watched.delete(signal)
  signal.removeEventListener('abort', found.listener)
}

/** All are told, whatever one of them throws. */
function tell(told: Iterator<() => void>): void {
  for (let next = told.next(); next.done !== true; next = told.next()) {
    try {
      next.value()
    } catch (thrown) {
      tell(told)
      throw thrown
    }
  }
}
