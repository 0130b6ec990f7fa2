import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type RpcStub, RpcSession, RpcTarget } from 'capnweb'
import { Packr } from 'msgpackr'
import { Frames } from './frames.ts'
import { type Connection, failed, type Stack } from './stack.ts'

export const LIMITS = { limits: { maxMessageSize: 64 * 1024 * 1024 } }

class Main extends RpcTarget {
  echo(data: Uint8Array): Uint8Array {
    return data
  }

  upload(data: Uint8Array): number {
    return data.length
  }
}

/** MessagePack in frames: byte arrays go as they are, which its documentation names for binary transports. */
export class FrameTransport {
  readonly encodingLevel = 'jsonCompatibleWithBytes'
  readonly #packr = new Packr({ useRecords: false })
  readonly #frames: Frames
  readonly #arrived: unknown[] = []
  #wanted: ((message: unknown) => void) | undefined

  constructor(socket: Socket) {
    this.#frames = new Frames(socket, (frame) => this.#take(this.#packr.unpack(frame)))
  }

  send(message: unknown): number {
    const bytes = this.#packr.pack(message)
    this.#frames.send(bytes)
    return bytes.length
  }

  receive(): Promise<unknown> {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift())
    return new Promise((resolve) => {
      this.#wanted = resolve
    })
  }

  #take(message: unknown): void {
    const wanted = this.#wanted
    this.#wanted = undefined
    if (wanted === undefined) this.#arrived.push(message)
    else wanted(message)
  }
}

/** Cap'n Web over a transport of its documented binary kind. */
export const capnweb: Stack = {
  async serve(path) {
    const server = createServer((socket) => void new RpcSession(new FrameTransport(socket), new Main(), LIMITS))
    server.listen(path)
    await once(server, 'listening')
  },

  async connect(path) {
    const socket = connect(path)
    await once(socket, 'connect')
    const main: RpcStub<Main> = new RpcSession<Main>(new FrameTransport(socket), undefined, LIMITS).getRemoteMain()
    const connection: Connection = {
      echo: (data, done) => void main.echo(data).then((back) => done(back.length), failed),
      upload: (data, done) => void main.upload(data).then(done, failed),
      sibling: () => capnweb.connect(path),
    }
    return connection
  },
}
