import type { Stack } from './stack.ts'

/**
 * By the name that they have in the results. A process loads the one that it speaks, as a program does: with all of them its heap was three times as large,
 * and V8 then answers a megabyte of new memory with full collections (`bench/RESULTS.md`, `upload-1m`).
 */
export const STACKS = {
  raw: async () => (await import('./raw.ts')).raw,
  busbar: async () => (await import('./busbar.ts')).busbar,
  capnweb: async () => (await import('./capnweb.ts')).capnweb,
  'grpc-js': async () => (await import('./grpc-js.ts')).grpcJs,
  'vscode-jsonrpc': async () => (await import('./vscode-jsonrpc.ts')).vscodeJsonrpc,
  'connect-node': async () => (await import('./connect-node.ts')).connectNode,
} satisfies Record<string, () => Promise<Stack>>

export type StackName = keyof typeof STACKS
export type PeerName = Exclude<StackName, 'raw' | 'busbar'>

export const PEERS: readonly PeerName[] = ['capnweb', 'grpc-js', 'vscode-jsonrpc', 'connect-node']
