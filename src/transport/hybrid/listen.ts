import { type ListenOptions, listenUnix, type UnixListener } from '../socket/listen.ts'
import { checkPort } from './connect.ts'

/**
 * Listens for guests that dial vsock `port` of the host (CID 2): the monitor then connects to `<path>_<port>`. Must exist before the guest
 * dials, and its mode must let the monitor's user in. Rejects as `listenUnix`; the suffix counts against the path length.
 */
export async function listenHybridVsock(path: string, port: number, options: ListenOptions): Promise<UnixListener> {
  checkPort(port)
  return listenUnix(`${path}_${port}`, options)
}
