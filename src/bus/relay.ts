import { BusbarError } from '../errors/index.ts'
import { join, type PumpCount, type PumpTap } from '../link/index.ts'
import type { Channel } from './channel.ts'
import { leftWhileOpening } from './reasons.ts'
import type { Incoming } from './channel-table.ts'
import type { PipeMedium } from './rings.ts'

/** Two channels joined into one, while it lasts. */
export interface Relay {
  readonly caller: string
  readonly partition: string
  readonly service: string
  /** What carries the bytes; where the bus is an end of the rings itself, towards those that have any. */
  medium: PipeMedium
  /** They go from end to end, and do not pass here. */
  direct: boolean
  /** Why there are no rings, or none from end to end. */
  refused: BusbarError | undefined
  /** Payload that has passed, `bytes`. */
  passed(): { readonly toService: number; readonly toCaller: number }
  /** From now on `tap`, or nobody, hears the bytes of that direction. */
  listen(fromCaller: boolean, tap: PumpTap | undefined): void
}

/**
 * Opens the far channel, then accepts the near one, and carries bytes both ways with back-pressure end to end: the relay
 * holds at most one chunk a direction beside the windows of the two streams. Settles when both channels are over.
 */
export async function relay(
  opening: Incoming,
  caller: string,
  openTarget: () => Promise<Channel>,
  relays: Set<Relay>,
  onJoined?: (relay: Relay, origin: Channel, target: Channel) => void,
): Promise<void> {
  let target: Channel
  try {
    target = await openTarget()
  } catch (thrown) {
    opening.refuse(BusbarError.from(thrown))
    return
  }
  let origin: Channel
  try {
    origin = await opening.accept(undefined)
  } catch (thrown) {
    target.close(leftWhileOpening('the caller left while the channel was opening', thrown))
    return
  }
  const { partition, service } = opening.message
  // Packets that come in and go out as packets need not be taken apart.
  if (origin.inPackets && target.inPackets) {
    origin.leaveWhole()
    target.leaveWhole()
  }
  const up: PumpCount = { bytes: 0, tap: undefined }
  const down: PumpCount = { bytes: 0, tap: undefined }
  const listen = (fromCaller: boolean, tap: PumpTap | undefined): void => {
    if (fromCaller) up.tap = tap && origin.payloadTap(tap)
    else down.tap = tap && target.payloadTap(tap)
  }
  const passed = (): { toService: number; toCaller: number } => ({
    toService: up.bytes - origin.headersRead,
    toCaller: down.bytes - target.headersRead,
  })
  const joined: Relay = {
    caller,
    partition,
    service,
    medium: 'stream',
    direct: false,
    refused: undefined,
    passed,
    listen,
  }
  relays.add(joined)
  onJoined?.(joined, origin, target)
  await join(origin, target, up, down)
  relays.delete(joined)
}
