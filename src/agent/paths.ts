import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Where this user's buses keep sockets and logs: `$XDG_RUNTIME_DIR/busbar`, else a directory of that user in the temporary one. */
export function runtimeDirectory(): string {
  const runtime = process.env['XDG_RUNTIME_DIR']
  return runtime === undefined || runtime === '' ? join(tmpdir(), `busbar-${userInfo().uid}`) : join(runtime, 'busbar')
}

/** The operator's socket of the bus that `busbar up` starts when nothing else is said. */
export function defaultBusSocket(): string {
  return join(runtimeDirectory(), 'bus.sock')
}
