import type { ByteLink, Env } from '../../link/index.ts'
import { SERIAL_LIMITS, type SerialLimits } from '../limits.ts'
import { openDevice } from './device.ts'
import { type FindOptions, findSerialPort } from './find.ts'
import { SerialPort } from './port.ts'

export interface SerialGuestOptions extends FindOptions {
  /** The name that the host gave the port (`-device virtserialport,name=...`). */
  readonly portName: string
  readonly env: Env
  readonly limits?: Partial<SerialLimits>
}

/**
 * Opens a virtio-serial port inside a guest. The port outlives its sessions and also the host's connection: while nobody is on the host's
 * side it is opened again every `limits.reopenMs`. Rejects with `UNAVAILABLE` (no such port), `BUSY` (open already) or `DENIED`.
 */
export async function serialGuest(options: SerialGuestOptions): Promise<SerialPort> {
  const { env } = options
  const limits = { ...SERIAL_LIMITS, ...options.limits }
  const path = await findSerialPort(options.portName, options)
  const reopen = async (): Promise<ByteLink> => {
    // The kernel reports an absent host as an end, again and again: only the pause keeps this from spinning.
    await new Promise<void>((resolve) => env.timer(limits.reopenMs, resolve))
    return openDevice(path)
  }
  return new SerialPort(openDevice(path), { env, limits, reopen })
}
