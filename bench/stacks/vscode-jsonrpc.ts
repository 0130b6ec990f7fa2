import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createMessageConnection, RequestType, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node'
import { type Connection, failed, type Stack } from './stack.ts'

/** JSON has no bytes: they go as base64, as is usual. */
interface Data {
  data: string
}

const ECHO = new RequestType<Data, Data, void>('echo')
const UPLOAD = new RequestType<Data, number, void>('upload')

/** JSON-RPC as language servers speak it, with headers and all. */
export const vscodeJsonrpc: Stack = {
  async serve(path) {
    const server = createServer((socket) => {
      const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket))
      rpc.onRequest(ECHO, ({ data }) => ({ data: Buffer.from(data, 'base64').toString('base64') }))
      rpc.onRequest(UPLOAD, ({ data }) => Buffer.from(data, 'base64').length)
      rpc.listen()
    })
    server.listen(path)
    await once(server, 'listening')
  },

  async connect(path) {
    const socket = connect(path)
    await once(socket, 'connect')
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket))
    rpc.listen()
    const given = (data: Uint8Array): Data => ({
      data: Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64'),
    })
    const connection: Connection = {
      echo: (data, done) =>
        void rpc
          .sendRequest(ECHO, given(data))
          .then((answer) => done(Buffer.from(answer.data, 'base64').length), failed),
      upload: (data, done) => void rpc.sendRequest(UPLOAD, given(data)).then(done, failed),
      sibling: () => vscodeJsonrpc.connect(path),
    }
    return connection
  },
}
