import type { Env } from '../../link/index.ts'
import type { SerialLimits } from '../limits.ts'
import { connectUnix } from '../socket/connect.ts'
import { SerialPort } from './port.ts'

export interface SerialHostOptions {
  readonly env: Env
  /** Gives up connecting with `CANCELLED` when it aborts. */
  readonly signal?: AbortSignal
  readonly limits?: Partial<SerialLimits>
}

/**
 * Opens the host's side of a virtio-serial port: the Unix socket at `path` of QEMU's `-chardev socket,server=on`. The port is closed with
 * `LINK_LOST` when QEMU goes. Rejects as `connectUnix`.
 */
export async function serialHost(path: string, options: SerialHostOptions): Promise<SerialPort> {
  const { env, limits, signal } = options
  const raw = await connectUnix(path, signal === undefined ? {} : { signal })
  return new SerialPort(raw, limits === undefined ? { env } : { env, limits })
}
