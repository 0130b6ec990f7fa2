/** Calls back the program that embeds the bus. What it throws, at once or in a promise, is its own affair and ends here. */
export function contain(call: () => unknown): void {
  try {
    const outcome = call()
    if (outcome instanceof Promise) outcome.catch(() => {})
  } catch {
    // There is nobody to tell: the bus, and whatever else hears of the same thing, must go on as if it had not thrown.
  }
}
