/** Objects across VMs: identity, activation, interfaces, references, lifetime, streams. */
export type { CallContext, Caller, CallOptions, Client, Implementation } from '../rpc/index.ts'
export { ClassTable } from './classes.ts'
export { ObjectClient, type ObjectClientOptions, type ObjectClientView, type ReturnOptions } from './client.ts'
export type { ExportedCounts } from './exports.ts'
export { DEFAULT_OBJECT_LIMITS, type ObjectLimits } from './limits.ts'
export { decodeReturn, encodeReturn, isReturn, RETURN_BYTES, ReturnChannels } from './return-channels.ts'
export { same } from './same.ts'
export { ObjectServer, type ObjectServerOptions, type ObjectServerView } from './server.ts'
