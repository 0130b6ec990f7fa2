import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { BusbarError } from '../../errors/index.ts'
import type { Libc, Mapping } from './libc.ts'
import { RING_LIMITS, SHARED_BYTES } from './limits.ts'
import { formatRegion, KEY_BYTES, regionBytes } from './region.ts'

/** Where a channel has its rings in memory that machines share. */
export interface SharedPlace {
  /** From the start of the memory, `bytes`. */
  readonly offset: number
  readonly length: number
  readonly key: Uint8Array
}

/**
 * Memory that two machines share, in the process of the bus: a file without a name that both QEMUs inherit, whose length is sealed. The bus alone
 * says who has which place in it, and keeps that where no machine can write; what stands in the memory it only writes.
 */
export class SharedMemory {
  readonly bytes: number
  /** For the machines to inherit. */
  readonly fd: number
  readonly #mapping: Mapping
  readonly #ringBytes: number
  readonly #free: number[]
  readonly #total: number
  #open = true

  /** Throws `UNAVAILABLE` when the system gives none. */
  constructor(libc: Libc, bytes: number = SHARED_BYTES, ringBytes: number = RING_LIMITS.ringBytes) {
    this.bytes = bytes
    this.#ringBytes = ringBytes
    this.fd = libc.memory(bytes)
    try {
      this.#mapping = libc.map(this.fd, bytes)
    } catch (thrown) {
      closeSync(this.fd)
      throw thrown
    }
    const length = regionBytes(ringBytes)
    this.#total = Math.floor(bytes / length)
    this.#free = Array.from({ length: this.#total }, (_, index) => index * length)
  }

  /** A place with empty rings, until it is given back; `BUSY` when there is none. */
  take(): SharedPlace {
    // The one that was given back first: what still had it wrongly has had the longest time to notice.
    const offset = this.#open ? this.#free.shift() : undefined
    if (offset === undefined) {
      throw new BusbarError('BUSY', `all ${this.#total} places in the memory that these machines share are in use`)
    }
    const length = regionBytes(this.#ringBytes)
    const key = new Uint8Array(randomBytes(KEY_BYTES))
    formatRegion(this.#mapping.bytes.subarray(offset, offset + length), this.#ringBytes, key)
    return { offset, length, key }
  }

  /** Nobody has it mapped any more. */
  giveBack({ offset }: SharedPlace): void {
    if (this.#open && !this.#free.includes(offset)) this.#free.push(offset)
  }

  inspect(): { bytes: number; places: number; free: number } {
    return { bytes: this.bytes, places: this.#total, free: this.#free.length }
  }

  /** Lets go of it: it lives on as long as a machine has it. Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#mapping.release()
    closeSync(this.fd)
  }
}
