import { busbar } from './busbar.ts'
import { capnweb } from './capnweb.ts'
import { connectNode } from './connect-node.ts'
import { grpcJs } from './grpc-js.ts'
import { raw } from './raw.ts'
import type { Stack } from './stack.ts'
import { vscodeJsonrpc } from './vscode-jsonrpc.ts'

/** By the name that they have in the results. */
export const STACKS = {
  raw,
  busbar,
  capnweb,
  'grpc-js': grpcJs,
  'vscode-jsonrpc': vscodeJsonrpc,
  'connect-node': connectNode,
} satisfies Record<string, Stack>

export type StackName = keyof typeof STACKS
export type PeerName = Exclude<StackName, 'raw' | 'busbar'>

export const PEERS: readonly PeerName[] = ['capnweb', 'grpc-js', 'vscode-jsonrpc', 'connect-node']
