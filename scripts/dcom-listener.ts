/** Takes TCP connections for a DCOM server: for peers that nobody here wrote, and for judging. */
import net from 'node:net'
import type { ByteLink } from '../src/link/index.ts'
import { RpcAccess } from '../src/rpc/index.ts'
import type { DcomServer } from '../src/services/index.ts'
import { socketLink } from '../src/transport/index.ts'

/** Idle time after which the system asks whether a client's machine is still there, `milliseconds` (our choice). */
const KEEP_ALIVE_MS = 60_000

/**
 * Serves `server` on `address`, a port of an IPv4 address. Gives the address with the port that it took. `tap` stands between
 * every link and its server. Whoever can connect may activate what is offered.
 */
export async function listenDcom(
  address: string,
  server: DcomServer,
  tap: (link: ByteLink) => ByteLink = (link) => link,
): Promise<string> {
  const [, host, port] = /^(\d+\.\d+\.\d+\.\d+):(\d{1,5})$/.exec(address) ?? []
  if (host === undefined) throw new Error(`${address} is not an IPv4 address with a port, as in 127.0.0.1:135`)
  const listener = net.createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(Number(port), host, () => resolve())
  })
  const bound = (listener.address() as net.AddressInfo).port
  listener.on('connection', (socket) => {
    const { remoteAddress: peer, localAddress: here } = socket
    // It is gone already.
    if (peer === undefined || here === undefined) return socket.destroy()
    server.accept(new RpcAccess(tap(socketLink(socket))), { peer, here, port: bound })
  })
  return `${host}:${bound}`
}
