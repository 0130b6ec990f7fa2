import { BusbarError } from '../../errors/index.ts'
import { type ByteLink, unwatchSignal, watchSignal } from '../../link/index.ts'
import type { TransportLimits } from '../limits.ts'
import { slabLink } from './link.ts'
import { checkSocketPath } from './path.ts'
import { connectFailed } from './reason.ts'
import { SlabReader } from './slab-reader.ts'

export interface ConnectOptions {
  /** Gives up with `CANCELLED` when it aborts. Has no effect once connected. */
  readonly signal?: AbortSignal
  readonly limits?: Partial<TransportLimits>
}

/**
 * Connects to the Unix socket at `path`. Rejects with `NOT_READY` when nobody listens there, `DENIED` when the file
 * permissions forbid it, `BUSY`, `CANCELLED`, `INVALID_ARGUMENT` (path too long) or `LINK_LOST`.
 */
export async function connectUnix(path: string, options: ConnectOptions = {}): Promise<ByteLink> {
  checkSocketPath(path)
  const { signal } = options
  if (signal?.aborted) throw cancelled(path, signal)
  const reader = new SlabReader({})
  const { socket } = reader
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      socket.destroy()
      reject(cancelled(path, signal))
    }
    const unwatch = (): void => {
      if (signal !== undefined) unwatchSignal(signal, abort)
    }
    const failed = (thrown: Error): void => {
      unwatch()
      reject(connectFailed(path, thrown))
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.removeListener('error', failed)
      unwatch()
      resolve()
    })
    if (signal !== undefined) watchSignal(signal, abort)
    socket.connect({ path })
  })
  return slabLink(reader, options.limits)
}

function cancelled(path: string, signal: AbortSignal | undefined): BusbarError {
  return new BusbarError('CANCELLED', `connecting to ${path} was cancelled`, {
    cause: signal?.reason,
    stage: 'connect',
  })
}
