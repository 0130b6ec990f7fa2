import { once } from 'node:events'
import { createServer } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { create, toBinary } from '@bufbuild/protobuf'
import { fileDesc, type GenService, serviceDesc } from '@bufbuild/protobuf/codegenv2'
import {
  type BytesValueSchema,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  type UInt32ValueSchema,
} from '@bufbuild/protobuf/wkt'
import { createClient } from '@connectrpc/connect'
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node'
import { type Connection, failed, type Stack } from './stack.ts'

/** As for grpc-js: 64 KiB windows would wait for credit 16 times a MiB. */
const WINDOW = 16 * 1024 * 1024
const LARGEST = 64 * 1024 * 1024

type Methods = {
  echo: { methodKind: 'unary'; input: typeof BytesValueSchema; output: typeof BytesValueSchema }
  upload: { methodKind: 'unary'; input: typeof BytesValueSchema; output: typeof UInt32ValueSchema }
}

/** What protoc-gen-es makes of a service; the messages are protobuf's own wrappers. */
const SERVICE: GenService<Methods> = serviceDesc(fileDesc(described(), [file_google_protobuf_wrappers]), 0)

function described(): string {
  const bytes = '.google.protobuf.BytesValue'
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    package: 'bench',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [
      {
        name: 'Socket',
        method: [
          { name: 'Echo', inputType: bytes, outputType: bytes },
          { name: 'Upload', inputType: bytes, outputType: '.google.protobuf.UInt32Value' },
        ],
      },
    ],
  })
  return Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')
}

/** Connect for Node with its gRPC transport over HTTP/2; its own protocol was no faster here. */
export const connectNode: Stack = {
  async serve(path) {
    const handler = connectNodeAdapter({
      readMaxBytes: LARGEST,
      writeMaxBytes: LARGEST,
      routes: (router) =>
        router.service(SERVICE, {
          echo: (request) => ({ value: request.value }),
          upload: (request) => ({ value: request.value.length }),
        }),
    })
    const server = createServer({ settings: { initialWindowSize: WINDOW } }, handler)
    server.on('session', (session) => session.setLocalWindowSize(WINDOW))
    server.listen(path)
    await once(server, 'listening')
  },

  async connect(path) {
    const transport = createGrpcTransport({
      baseUrl: 'http://localhost',
      readMaxBytes: LARGEST,
      writeMaxBytes: LARGEST,
      nodeOptions: {
        createConnection: () => connectSocket(path),
        settings: { initialWindowSize: WINDOW },
      },
    })
    const client = createClient(SERVICE, transport)
    const connection: Connection = {
      echo: (data, done) => void client.echo({ value: data }).then(({ value }) => done(value.length), failed),
      upload: (data, done) => void client.upload({ value: data }).then(({ value }) => done(value), failed),
      sibling: () => connectNode.connect(path),
    }
    return connection
  },
}
