/** Objects across VMs: identity, activation, interfaces, references, lifetime, streams. */
export type { CallContext, Caller, CallOptions, Client, Hop, Implementation } from '../rpc/index.ts'
export { ClassTable, type ClassView, type Source } from './classes.ts'
export { closedOf } from './closed-of.ts'
export { ObjectClient, type ObjectClientOptions, type ObjectClientView, type ReturnOptions } from './client.ts'
export type { ExportedCounts } from './exported.ts'
export {
  type ForeignConnection,
  ForeignPeer,
  type ForeignPeerOptions,
  type ForeignReferences,
  type ServedConnection,
} from './foreign-peer.ts'
export { hresultOf } from './hresult.ts'
export type {
  Authorize,
  CalledMethod,
  CallInterceptor,
  Hooks,
  OutgoingCall,
  ServedMethod,
  ServeInterceptor,
} from './hooks.ts'
export { PeerUsages } from './peer-usage.ts'
export { implement, type ImplementationOfAll } from './implement.ts'
export { DEFAULT_OBJECT_LIMITS, objectLimits, type ObjectLimits } from './limits.ts'
export { decodeReturn, encodeReturn, isReturn, RETURN_BYTES, ReturnChannels } from './return-channels.ts'
export { type PerCaller, perCaller } from './per-caller.ts'
export { query } from './query.ts'
export { same } from './same.ts'
export { ObjectServer, type ObjectServerOptions, type ObjectServerView } from './server.ts'
