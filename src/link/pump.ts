import { BusbarError } from '../errors/index.ts'
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
 * Carries everything from one link to another with back-pressure: nothing is read before the last write was taken.
 * An end is passed on as an end. Settles when this direction is over; a failure on either side closes both with its reason.
 */
export async function pump(
  from: ByteLink,
  to: ByteLink,
  count: PumpCount = { bytes: 0, tap: undefined },
): Promise<void> {
  try {
    for (;;) {
      let chunk = from.read()
      if (chunk instanceof Promise) chunk = await chunk
      if (chunk === undefined) break
      count.bytes += chunk.length
      if (count.tap !== undefined) count.tap.bytes(chunk)
      const room = to.write(chunk)
      if (room instanceof Promise) await room
    }
    count.tap?.ended()
    await to.end()
  } catch (thrown) {
    const reason = BusbarError.from(thrown)
    from.close(reason)
    to.close(reason)
  }
}

/** Joins two links, both directions; settles when both are over. Each direction ends on its own. */
export async function join(a: ByteLink, b: ByteLink, aToB?: PumpCount, bToA?: PumpCount): Promise<void> {
  closeWith(a, b)
  closeWith(b, a)
  await Promise.all([pump(a, b, aToB), pump(b, a, bToA)])
}

/** A direction that has ended no longer notices that the other one broke: so the close event itself is passed on. */
function closeWith(a: ByteLink, b: ByteLink): void {
  void a.closed.then((reason) => {
    if (reason !== undefined) b.close(reason)
  })
}
