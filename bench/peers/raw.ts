/** The baseline: `net.Socket` and nothing else. `listen` on one side, `connect` on the other. */
import { connect, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { serve } from './serve.ts'

type Request =
  | { do: 'listen-sink'; path: string }
  | { do: 'listen-echo'; path: string }
  | { do: 'connect'; path: string }
  | { do: 'upload'; bytes: number; chunk: number }
  | { do: 'echo'; size: number; count: number }
  | { do: 'echo-many'; size: number; count: number; inFlight: number }

let socket: Socket

const handlers = {
  'listen-sink': async ({ path }: { path: string }) => {
    const server = createServer((peer) => peer.on('data', () => {}).on('end', () => peer.end()))
    server.listen(path)
    await once(server, 'listening')
  },
  /** Echoes whole frames: u32 length and that many bytes. */
  'listen-echo': async ({ path }: { path: string }) => {
    const server = createServer((peer) => {
      eachFrame(peer, (frame) => peer.write(frame))
    })
    server.listen(path)
    await once(server, 'listening')
  },
  connect: async ({ path }: { path: string }) => {
    socket = connect(path)
    await once(socket, 'connect')
  },
  upload: async ({ bytes, chunk }: { bytes: number; chunk: number }) => {
    const data = Buffer.alloc(chunk, 7)
    const start = performance.now()
    for (let sent = 0; sent < bytes; sent += chunk) if (!socket.write(data)) await once(socket, 'drain')
    socket.end()
    socket.resume()
    await once(socket, 'end')
    return performance.now() - start
  },
  echo: async ({ size, count }: { size: number; count: number }) => {
    const times: number[] = []
    let resolve = () => {}
    eachFrame(socket, () => resolve())
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      const answered = new Promise<void>((done) => {
        resolve = done
      })
      socket.write(frameOf(size))
      await answered
      times.push(performance.now() - start)
    }
    return times
  },
  'echo-many': async ({ size, count, inFlight }: { size: number; count: number; inFlight: number }) => {
    let sent = 0
    let answered = 0
    const start = performance.now()
    await new Promise<void>((done) => {
      const send = () => {
        sent++
        socket.write(frameOf(size))
      }
      eachFrame(socket, () => {
        answered++
        if (sent < count) send()
        else if (answered === count) done()
      })
      for (let i = 0; i < inFlight; i++) send()
    })
    return performance.now() - start
  },
}

function frameOf(size: number): Buffer {
  const frame = Buffer.allocUnsafe(4 + size)
  frame.writeUInt32LE(size, 0)
  return frame
}

function eachFrame(from: Socket, take: (frame: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0)
  from.removeAllListeners('data')
  from.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    let at = 0
    from.cork()
    while (held.length - at >= 4) {
      const end = at + 4 + held.readUInt32LE(at)
      if (end > held.length) break
      take(held.subarray(at, end))
      at = end
    }
    from.uncork()
    held = held.subarray(at)
  })
}

serve((request: Request) => handlers[request.do](request as never) as Promise<unknown>)
