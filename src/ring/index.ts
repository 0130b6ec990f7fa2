/** One producer and one consumer that share a block of memory, in VMBus layout, whatever that memory is. */
export { Block } from './block.ts'
export { CELLS, FEATURES, PAGE_BYTES } from './layout.ts'
export { DEFAULT_PAYLOAD } from './limits.ts'
export type { Mem } from './mem.ts'
export { type ReaderOptions, type ReaderState, RingReader } from './reader.ts'
export { type RingMode, type RingOptions, RingWriter, type WriterState } from './writer.ts'
