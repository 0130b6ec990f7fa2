/** A program's end of the bus, and the privileged agent of a guest. */
export { type AttachOptions, attach } from './attach.ts'
export type { BusOptions, ComponentOfferOptions } from './bus-hooks.ts'
export { type ActivateOptions, Bus, type Found, type PipeHandler, type StreamOfferOptions } from './bus.ts'
export { defaultBusSocket, runtimeDirectory } from './paths.ts'
