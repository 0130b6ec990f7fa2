/** The contract of a two-way byte link and a message link, and an in-memory pair that keeps it. */
export { Closing } from './closing.ts'
export type { Env, Timer } from './env.ts'
export { Gate } from './gate.ts'
export { Inbox } from './inbox.ts'
export type { Awaitable, ByteLink, MessageLink } from './link.ts'
export { MemoryLink, memoryPair } from './memory.ts'
export { PacketLink } from './packets.ts'
export { join, type PumpCount, pump } from './pump.ts'
