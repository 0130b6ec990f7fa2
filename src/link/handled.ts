/** A promise that the caller may ignore: its failure is known from elsewhere as well, and must not count as unhandled. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
