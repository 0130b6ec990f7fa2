import { webcrypto } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Env } from '../link/index.ts'

/** `getRandomValues` refuses more than this many `bytes` at once. Fixed by the Web Crypto specification. */
const RANDOM_QUOTA = 65_536
/** Memory of at least so many `bytes` is a block (our choice: above it, glibc begins to take memory from the system and to give it back). */
const BLOCK = 131_072
/** Twice this is what the allocator keeps of memory that was freed, `bytes` (our choice: blocks of 32 MiB are freed at once, when V8 collects them). */
const KEPT = 16_777_216

/** The world outside, as Node gives it: what production code hands to the layers that take an `Env`. */
export function nodeEnv(): Env {
  let blocks = false
  return {
    now: () => performance.now(),
    timer: (delay, run) => {
      const handle = setTimeout(run, delay)
      handle.unref()
      return { cancel: () => clearTimeout(handle) }
    },
    random: (into) => {
      for (let at = 0; at < into.length; at += RANDOM_QUOTA) {
        webcrypto.getRandomValues(into.subarray(at, Math.min(into.length, at + RANDOM_QUOTA)))
      }
      return into
    },
    post: (run) => {
      setImmediate(run)
    },
    memory: (bytes) => {
      // glibc gives back what is free at the end of its heap, and then takes it anew, which costs twice as much as to copy into it: 250 page faults
      // a MiB. It keeps twice the largest block (up to 32 MiB) that it ever gave back; this one is never touched, and takes no memory.
      if (!blocks && bytes >= BLOCK) Buffer.allocUnsafeSlow(KEPT)
      blocks ||= bytes >= BLOCK
      // Not from the pool, which is shared: what is received may be kept for long.
      return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
    },
  }
}
