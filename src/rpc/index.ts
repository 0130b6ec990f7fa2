/** DCE/RPC associations, PDUs, NDR marshalling, contracts, over any byte link. */
export { RpcAccess } from './access.ts'
export type { PresentationContext } from './association/client-binding.ts'
export { RpcClient } from './association/client.ts'
export type { RpcClientOptions, RpcClientView } from './association/client-view.ts'
export { AssociationGroups, type AssociationGroupsOptions } from './association/groups.ts'
export type { IncomingCall, RpcInterface } from './association/incoming-call.ts'
export type { CallCounter, Packaging, RpcReply } from './association/pending-call.ts'
export { RpcServer, type RpcServerOptions } from './association/server.ts'
export type { SecurityProvider } from './association/security.ts'
export type { RpcServerView } from './association/server-view.ts'
export type { CallContext, Caller, CallOptions, Client, Hop, Implementation, Promised } from './contract/call.ts'
export {
  type Contract,
  type ContractOptions,
  contract,
  isPull,
  type Methods,
  type Page,
  type PullContract,
} from './contract/contract.ts'
export { contractsWithin, describeContracts, insideOf } from './contract/describe.ts'
export { contractsFrom } from './contract/describe-read.ts'
export { contractsOf, Described, describing } from './contract/described.ts'
export { BUSBAR_NAMESPACE, derivedGuid } from './contract/identity.ts'
export { type AnyMethod, type Method, type MethodOptions, method } from './contract/method.ts'
export { numbersOf, type Procedure, procedureAt } from './contract/procedure.ts'
export { t } from './contract/t.ts'
export { notServed } from './contract/versions.ts'
export type {
  FieldNode,
  Fields,
  ArrayShape,
  Count,
  Given,
  GivenFields,
  Json,
  OptionalType,
  RefType,
  ScalarKind,
  Stream,
  StreamType,
  Taken,
  TakenFields,
  Type,
  TypeNode,
} from './contract/type.ts'
export type { ContextHandle, IdlTypes, UnionOptions } from './contract/idl.ts'
export type { Shape } from './contract/shape.ts'
export { FaultError } from './faults.ts'
export { DEFAULT_RPC_LIMITS, MAX_FRAGMENT, type RpcLimits, rpcLimits } from './limits.ts'
export { type RefPort } from './ndr/codec.ts'
export { wireOf, wireOfOperation } from './ndr/lower.ts'
export type { Marshaller } from './ndr/marshal.ts'
export type {
  BaseName,
  WireArm,
  WireArray,
  WireBase,
  WireEnum,
  WireInterface,
  WireMember,
  WireOperation,
  WirePointer,
  WireStruct,
  WireType,
  WireUnion,
} from './ndr/wire.ts'
export { type AuthTrailer, decodeAuthTrailer, withAuthTrailer } from './pdu/auth.ts'
export type { PduHeader } from './pdu/header.ts'
export type { InterfaceId } from './pdu/syntax.ts'
export { COPY_BELOW } from './pdu-slab.ts'
export { type PlainCallOptions, type PlainClient, plainClient } from './plain/client.ts'
export { type PlainImplementation, plainInterface, type PlainInterfaceOptions } from './plain/interface.ts'
export { readUuid, writeUuid } from './pdu/uuid.ts'
export { type Awaitable, type Env, type Timer, unwatchSignal, watchSignal } from '../link/index.ts'
