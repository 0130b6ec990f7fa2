import { webcrypto } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Env } from '../link/index.ts'
import { BulkMemory } from './bulk-memory.ts'

/** `getRandomValues` refuses more than this many `bytes` at once. Fixed by the Web Crypto specification. */
const RANDOM_QUOTA = 65_536

/** The world outside, as Node gives it: what production code hands to the layers that take an `Env`. */
export function nodeEnv(): Env {
  const memory = new BulkMemory()
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
    memory: (bytes) => memory.take(bytes),
    reclaim: ({ buffer }) => new Uint8Array(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })),
  }
}
