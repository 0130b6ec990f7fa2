import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Memory of at least so many `bytes` is bulk, and counts (our choice: what is shorter leaves more garbage in V8's own heap than outside of it). */
const BULK = 32_768
/**
 * What the allocator is made to keep twice of what was freed, `bytes`. Fixed by glibc: the largest block that it learns from is 32 MiB, its own words
 * and a page included.
 */
const KEPT = 33_554_432 - 8192
/**
 * So many `bytes` later the young part of the heap is collected. Our choice: V8 allows 8 MB more than what lived after the last full collection
 * whatever else it thinks of the heap, and collects the young part by itself after 32 MiB only, which is a full collection each time.
 */
const PACE = 6_291_456

/** Collects what has died young, and nothing else. */
type Collect = () => void

/**
 * Memory for bulk that passes to whoever reads it: recycled, and without full collections.
 *
 * V8 counts it against the limit of its heap until it is collected, and a process with a small heap spent four times as long in full collections as in copying
 * what came. So the young part, where such memory dies, is collected early: that takes a tenth of a millisecond and gives it back to the allocator. The allocator
 * in turn (glibc) would give it back to the system and take it anew, 16 page faults for 64 KiB: twice as long as to copy into it.
 */
export class BulkMemory {
  readonly #find: () => Collect | undefined
  #collect: Collect | undefined
  #begun = false
  /** Handed out since the last collection, `bytes`. */
  #since = 0

  /** `find` gives what collects the young part; asked for once, when bulk has come. */
  constructor(find: () => Collect | undefined = findCollect) {
    this.#find = find
  }

  /** Memory of so many `bytes` with anything in it: to be written over before anybody reads it. */
  take(bytes: number): Uint8Array {
    if (bytes >= BULK) this.#count(bytes)
    // Not from the pool, which is shared: what is received may be kept for long.
    return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  }

  #count(bytes: number): void {
    if (!this.#begun) {
      this.#begun = true
      // glibc keeps twice the largest block that it ever gave back; this one is never touched, and takes no memory.
      Buffer.allocUnsafeSlow(KEPT)
    }
    this.#since += bytes
    if (this.#since < PACE) return
    this.#since = 0
    this.#collect ??= this.#find() ?? nothing
    this.#collect()
  }
}

function nothing(): void {}

/** V8 gives the function that collects only where it was told to expose it: told for a moment, in a context of our own, so that no program sees it. */
function findCollect(): Collect | undefined {
  try {
    const exposed: unknown = globalThis.gc
    if (exposed === undefined) setFlagsFromString('--expose-gc')
    const collect: unknown = exposed ?? runInNewContext('globalThis.gc')
    if (exposed === undefined) setFlagsFromString('--no-expose-gc')
    return typeof collect === 'function' ? () => void collect({ type: 'minor' }) : undefined
  } catch {
    return undefined
  }
}
