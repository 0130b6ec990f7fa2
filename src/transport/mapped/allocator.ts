import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { BusbarError } from '../../errors/index.ts'
import { type Libc, loadLibc } from './libc.ts'
import { PRIVATE_RING_BYTES } from './limits.ts'
import type { RingGrant } from './medium.ts'
import { formatRegion, KEY_BYTES, regionBytes } from './region.ts'
import { checkedRingBytes } from './settings.ts'

/** Memory for the two rings of one channel, until both ends have it or will not. */
export interface RingMemory {
  readonly grant: Omit<RingGrant, 'side'>
  /** Lets go of it: it lives on as long as an end has it mapped. Idempotent. */
  release(): void
}

/** Memory that is waited for at once, each with five descriptors (our choice: more openings than that wait at the socket). */
const MAX_PENDING = 64

/**
 * Makes the memory of rings in the process of the bus. It has no name: it is reached through a descriptor of this process, and gone when nobody
 * has it mapped, however they ended.
 */
export class RingAllocator {
  readonly #libc: Libc
  readonly #ringBytes: number
  #pending = 0

  /** `ringBytes`: data of one ring, in whole pages; else `INVALID_ARGUMENT`. */
  constructor(libc: Libc, ringBytes: number = PRIVATE_RING_BYTES) {
    this.#libc = libc
    this.#ringBytes = checkedRingBytes(ringBytes)
  }

  /** Rejects with `UNAVAILABLE` where this machine has no rings. */
  static async load(ringBytes?: number): Promise<RingAllocator> {
    return new RingAllocator(await loadLibc(), ringBytes)
  }

  /** Throws `BUSY` or `UNAVAILABLE` when there is none now. */
  allocate(): RingMemory {
    if (this.#pending >= MAX_PENDING) throw new BusbarError('BUSY', `${MAX_PENDING} channels are going over to rings`)
    const descriptors: number[] = []
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      this.#pending--
      for (const fd of descriptors) closeSync(fd)
    }
    this.#pending++
    try {
      const length = regionBytes(this.#ringBytes)
      const memory = this.#libc.memory(length)
      descriptors.push(memory)
      const [callerBell, callerEnd] = this.#libc.pipe()
      descriptors.push(callerBell, callerEnd)
      const [serviceBell, serviceEnd] = this.#libc.pipe()
      descriptors.push(serviceBell, serviceEnd)
      const key = new Uint8Array(randomBytes(KEY_BYTES))
      const mapping = this.#libc.map(memory, length)
      formatRegion(mapping.bytes, this.#ringBytes, key)
      mapping.release()
      return { grant: { process: process.pid, memory, callerBell, serviceBell, key }, release }
    } catch (thrown) {
      release()
      throw thrown
    }
  }
}
