/** A channel as something to read, write, half-close and cancel; it keeps the `link` contract. */
export { PipeDuplex } from './duplex.ts'
export { Pipe } from './handle.ts'
export { offerPipe, openChannel, openPipe, type PipeOfferOptions, type PipeOpenOptions } from './open.ts'
export { type PipeName, parsePipeName } from '../bus/index.ts'
export { toNode, toWeb } from './stream-adapters.ts'
export { type WebStreams, webStreams } from './web-streams.ts'
