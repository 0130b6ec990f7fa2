/** Bounds-checked cursors over bytes, a queue of received chunks, copies, GUIDs. */
export { ChunkQueue } from './chunk-queue.ts'
export { copyBytes } from './copy.ts'
export {
  type Guid,
  guidFromBytes,
  guidFromName,
  guidFromRandom,
  guidToBytes,
  NIL_GUID,
  parseGuid,
  swapGuidFields,
} from './guid.ts'
export { Reader } from './reader.ts'
export { Slab } from './slab.ts'
export { utf8Decode, utf8Encode } from './text.ts'
export { Views } from './views.ts'
export { Writer, type WriterMemory } from './writer.ts'
