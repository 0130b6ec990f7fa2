import { fileURLToPath } from 'node:url'
import {
  type ChannelOptions,
  credentials,
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { type Connection, failed, type Stack } from './stack.ts'

/** The defaults but for the largest message and the HTTP/2 window, whose 64 KiB would wait for credit 16 times a MiB. */
const OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,

  'grpc-node.flow_control_window': 16 * 1024 * 1024,
  // A channel of its own for each client: otherwise a sibling would share the connection.
  'grpc.use_local_subchannel_pool': 1,
}

interface Data {
  data: Uint8Array
}
interface Count {
  bytes: number
}
type Answered<T> = (error: ServiceError | null, answer?: T) => void
interface SocketClient {
  echo(request: Data, answered: Answered<Data>): void
  upload(request: Data, answered: Answered<Count>): void
}

const PROTO = fileURLToPath(new URL('./bench.proto', import.meta.url))

function service(): ServiceClientConstructor {
  const { bench } = loadPackageDefinition(loadSync(PROTO))
  return (bench as unknown as { Socket: ServiceClientConstructor }).Socket
}

/** gRPC for Node, with the marshaller that its documentation recommends. */
export const grpcJs: Stack = {
  async serve(path) {
    const server = new Server(OPTIONS)
    const echo: handleUnaryCall<Data, Data> = (call, answer) => answer(null, { data: call.request.data })
    const upload: handleUnaryCall<Data, Count> = (call, answer) => answer(null, { bytes: call.request.data.length })
    server.addService(service().service, { echo, upload })
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
  },

  async connect(path) {
    const Client = service()
    const client = new Client(`unix:${path}`, credentials.createInsecure(), OPTIONS)
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve()))
    })
    const calls = client as unknown as SocketClient
    const connection: Connection = {
      echo: (data, done) =>
        calls.echo({ data }, (error, answer) => (answer === undefined ? failed(error) : done(answer.data.length))),
      upload: (data, done) =>
        calls.upload({ data }, (error, answer) => (answer === undefined ? failed(error) : done(answer.bytes))),
      sibling: () => grpcJs.connect(path),
    }
    return connection
  },
}
