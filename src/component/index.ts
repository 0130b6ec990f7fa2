/** Objects across VMs: identity, activation, interfaces, references, lifetime, streams. */
export type { CallContext, Caller, CallOptions, Client, Implementation } from '../rpc/index.ts'
export { ClassTable } from './classes.ts'
export { ObjectClient, type ObjectClientOptions, type ObjectClientView } from './client.ts'
export { DEFAULT_OBJECT_LIMITS, type ObjectLimits } from './limits.ts'
export { ObjectServer, type ObjectServerOptions, type ObjectServerView } from './server.ts'
