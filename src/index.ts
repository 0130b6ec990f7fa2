/** Busbar: call objects and stream bytes between virtual machines, with no network in between. */
export { type AttachOptions, attach, type Bus } from './agent/index.ts'
export type { Authorize, CallInterceptor, OutgoingCall, ServedMethod, ServeInterceptor } from './component/index.ts'
export { closedOf, implement, perCaller, query, same } from './component/index.ts'
export { BusbarError, type ErrorCode } from './errors/index.ts'
export type { Caller, CallContext, CallOptions, Client, Contract, Hop, Implementation, Promised } from './rpc/index.ts'
export { contract, method, t } from './rpc/index.ts'
export type { Pipe, PipeDuplex } from './pipe/index.ts'
export { toNode, toWeb } from './pipe/index.ts'
