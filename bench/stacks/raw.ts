import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Frames } from './frames.ts'
import type { Connection, Stack } from './stack.ts'

/** The baseline: length-prefixed frames and nothing else. The server hands each frame over whole, as every RPC must. */
export const raw: Stack = {
  async serve(path) {
    const server = createServer((socket) => {
      const frames = new Frames(socket, (frame, upload) => frames.send(upload ? counted(frame.length) : frame, upload))
    })
    server.listen(path)
    await once(server, 'listening')
  },

  async connect(path) {
    const socket = connect(path)
    await once(socket, 'connect')
    const waiting: ((bytes: number) => void)[] = []
    let head = 0
    const frames = new Frames(socket, (frame, upload) => {
      const done = waiting[head++] as (bytes: number) => void
      if (head === waiting.length) {
        waiting.length = 0
        head = 0
      }
      done(upload ? frame.readUInt32LE() : frame.length)
    })
    const connection: Connection = {
      echo: (data, done) => {
        waiting.push(done)
        frames.send(data)
      },
      upload: (data, done) => {
        waiting.push(done)
        frames.send(data, true)
      },
      sibling: () => raw.connect(path),
    }
    return connection
  },
}

function counted(bytes: number): Buffer {
  const answer = Buffer.allocUnsafe(4)
  answer.writeUInt32LE(bytes)
  return answer
}
