import type { ByteLink, Env } from '../../link/index.ts'
import { SERIAL_LIMITS, type SerialLimits } from '../limits.ts'
import { DeviceOpener } from './device.ts'
import { type FindOptions, findSerialPort } from './find.ts'
import { SerialPort } from './port.ts'
import { MAX_PAYLOAD } from './wire.ts'

/** Keeps the doubled pause a small number, whatever the limits are. */
const MAX_DOUBLINGS = 20

export interface SerialGuestOptions extends FindOptions {
  /** The name that the host gave the port (`-device virtserialport,name=...`). */
  readonly portName: string
  readonly env: Env
  readonly limits?: Partial<SerialLimits>
}

/**
 * Opens a virtio-serial port inside a guest. The port outlives its sessions and also the host's connection: while nobody is on the host's
 * side it is opened again after `limits.reopenMs`, then twice that, up to `limits.maxReopenMs`. Rejects with `UNAVAILABLE` (no such port), `BUSY` (open already) or `DENIED`.
 */
export async function serialGuest(options: SerialGuestOptions): Promise<SerialPort> {
  const { env } = options
  // The driver makes a message and a notification to the host of every piece: a copy costs far less.
  const limits = { ...SERIAL_LIMITS, join: MAX_PAYLOAD, ...options.limits }
  const path = await findSerialPort(options.portName, options)
  const opener = new DeviceOpener()
  // The kernel reports an absent host as an end, again and again: only the pause keeps this from spinning.
  const reopen = async (silent: number): Promise<ByteLink> => {
    const pause = Math.min(limits.reopenMs * 2 ** Math.min(silent, MAX_DOUBLINGS), limits.maxReopenMs)
    await new Promise<void>((resolve) => env.timer(pause, resolve))
    return opener.open(path)
  }
  return new SerialPort(opener.open(path), { env, limits, reopen })
}
