/** Who is told when one signal fires, and the one listener that tells them. */
interface Watched {
  readonly told: Set<() => void>
  readonly listener: () => void
}

/**
 * Listens to the signals of calls, once for each signal however many calls are under it: a program may well give all its calls the
 * same one, and Node takes the eleventh listener on a signal for a leak and prints a warning.
 */
export class Signals {
  readonly #watched = new WeakMap<AbortSignal, Watched>()

  /** Calls `fired` once when the signal fires, unless it is removed before. Each `fired` counts once. */
  add(signal: AbortSignal, fired: () => void): void {
    let watched = this.#watched.get(signal)
    if (watched === undefined) {
      const told = new Set<() => void>()
      const listener = (): void => {
        // Who is removed meanwhile is not told.
        for (const each of told) each()
        this.#watched.delete(signal)
      }
      watched = { told, listener }
      this.#watched.set(signal, watched)
      signal.addEventListener('abort', listener, { once: true })
    }
    watched.told.add(fired)
  }

  /** Nothing is left on a signal that nobody waits for any more. */
  remove(signal: AbortSignal, fired: () => void): void {
    const watched = this.#watched.get(signal)
    if (watched === undefined || !watched.told.delete(fired) || watched.told.size > 0) return
    this.#watched.delete(signal)
    signal.removeEventListener('abort', watched.listener)
  }
}
