import net from 'node:net'
import { join } from '../../src/link/index.ts'
import { socketLink } from '../../src/transport/index.ts'
import { recording } from './recorder.ts'

export interface Relay {
  readonly port: number
  /** Takes no more connections, and writes the file. */
  close(): Promise<void>
}

/** Stands in front of a server on `port` of this machine that records nothing itself. */
export async function recordedRelay(port: number, path: string): Promise<Relay> {
  const recorded = recording(path)
  const options = { allowHalfOpen: true, noDelay: true } as const
  const listener = net.createServer(options, (socket) => {
    const onwards = net.connect({ host: '127.0.0.1', port, ...options })
    void join(recorded.tap(socketLink(socket)), socketLink(onwards)).catch(() => {})
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as net.AddressInfo).port,
    close: async () => {
      await new Promise((resolve) => listener.close(resolve))
      await recorded.keep()
    },
  }
}
