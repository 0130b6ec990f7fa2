import { BusbarError } from '../errors/index.ts'
import { flow } from './flow.ts'
import type { ByteLink } from './link.ts'

/** Hears what a pump carries, before it is passed on. */
export interface PumpTap {
  bytes(chunk: Uint8Array): void
  ended(): void
}

/** Bytes that passed, one count a direction. */
export interface PumpCount {
  bytes: number
  /** Whoever listens now, if anybody does. */
  tap?: PumpTap | undefined
}

/**
 * Carries everything from one link to another with back-pressure: nothing more is taken before the last write was.
 * An end is passed on as an end. Settles when this direction is over; a failure on either side closes both with its reason.
 */
export function pump(from: ByteLink, to: ByteLink, count: PumpCount = { bytes: 0, tap: undefined }): Promise<void> {
  return new Promise((resolve) => {
    const over = (reason: BusbarError | undefined): void => {
      if (reason === undefined) return
      from.close(reason)
      to.close(reason)
      resolve()
    }
    void from.closed.then(over)
    void to.closed.then(over)
    flow(from, {
      chunk: (chunk) => {
        count.bytes += chunk.length
        if (count.tap !== undefined) count.tap.bytes(chunk)
        return to.write(chunk)
      },
      // What the other link has passed on already, nobody needs to keep.
      get copies() {
        return to.copies ?? false
      },
      end: () => {
        count.tap?.ended()
        Promise.resolve(to.end()).then(resolve, (thrown: unknown) => over(BusbarError.from(thrown)))
      },
    })
  })
}

/** Joins two links, both directions; settles when both are over. Each direction ends on its own. */
export async function join(a: ByteLink, b: ByteLink, aToB?: PumpCount, bToA?: PumpCount): Promise<void> {
  await Promise.all([pump(a, b, aToB), pump(b, a, bToA)])
}
