/**
 * A DCE/RPC server for peers that nobody here wrote: rpcecho, mgmt and epmapper.
 *
 *   npm run peer:rpcecho -- --listen 127.0.0.1:7135 [--listen /run/echo.sock ...]
 *
 * Listens on every address given, a port of an IPv4 address (0 takes a free one) or the path of a Unix socket, and prints
 * one line for each when it is ready. Whoever can connect may call: there is no authentication.
 */
import { parseArgs } from 'node:util'
import { BusbarError } from '../src/errors/index.ts'
import { plainInterface } from '../src/rpc/index.ts'
import { RpcEcho, rpcEcho } from '../src/services/index.ts'
import { listenPlain } from './plain-server.ts'

try {
  const { values } = parseArgs({
    options: { listen: { type: 'string', multiple: true, default: ['127.0.0.1:7135'] } },
  })
  const echo = { annotation: 'rpcecho', served: () => plainInterface(RpcEcho, rpcEcho) }
  for (const address of values.listen) {
    console.log(`rpcecho, mgmt, epmapper: listening on ${await listenPlain(address, [echo])}`)
  }
} catch (thrown) {
  console.error(`peer:rpcecho: ${BusbarError.from(thrown, 'UNAVAILABLE').message}`)
  process.exit(1)
}
