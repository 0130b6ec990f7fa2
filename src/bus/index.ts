/** Offers, channels, policy questions: pure state machines (VMBus control messages) and a thin shell. */
export {
  type AccessAnswer,
  type AccessPolicy,
  type AccessQuestion,
  Broker,
  type BrokerOptions,
  type BusEvent,
} from './broker.ts'
export type { Carrier, CarrierStream } from './carrier.ts'
export { CarrierListener, type CarrierListenerOptions } from './carrier-listener.ts'
export { type Caller, Channel, type ChannelDescription } from './channel.ts'
export type { Incoming } from './channel-table.ts'
export { encodeMessage, MessageDecoder } from './codec.ts'
export { DialledCarrier } from './dialled-carrier.ts'
export { Endpoint, type EndpointOptions, type Offer, type OfferOptions, type OpenOptions } from './endpoint.ts'
export type { JoinedPipe, PipeFollower, PipeTap } from './followers.ts'
export { type BusLimits, DEFAULT_BUS_LIMITS } from './limits.ts'
export type { OfferDescription } from './made-offers.ts'
export { MESSAGES, type Message, type MessageKind, type Messages, type PipeMode } from './messages.ts'
export { MuxCarrier, type MuxCarrierOptions } from './mux-carrier.ts'
export { isPartitionName, isServiceName, type PipeName, parsePipeName } from './names.ts'
export type { OfferChange, OfferView, VisibleOffer } from './offer-view.ts'
export { PlaceBridge } from './place-bridge.ts'
export type { OwnPlaces, Place, PlaceAllocator, PlaceGrant } from './places.ts'
export type {
  PipeMedium,
  RaisableLink,
  RingAllocator,
  RingGrant,
  RingMedium,
  RingMemory,
  RingSignals,
} from './rings.ts'
export type { ServerSession } from './server-session.ts'
export type { SessionHost } from './session-host.ts'
export { SystemObject } from './system.ts'
