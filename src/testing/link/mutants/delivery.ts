import { BusbarError } from '../../../errors/index.ts'
import type { ByteLink } from '../../../link/index.ts'
import type { Mutant } from './mutant.ts'

function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1
}

/** Links that deliver wrongly. */
export const DELIVERY_MUTANTS: Record<string, Mutant<ByteLink>> = {
  'swaps two chunks': {
    by: 'delivers everything in order, in both directions at once',
    change: (good) => {
      let held: Uint8Array | undefined
      let done = false
      return {
        write: (chunk) => {
          if (!done && held === undefined && chunk.length === 7) {
            held = chunk
            return undefined
          }
          const first = good.write(chunk)
          if (held === undefined || done) return first
          done = true
          return good.write(held)
        },
      }
    },
  },
  'loses a byte of a long chunk': {
    by: 'delivers everything in order, in both directions at once',
    change: (good) => ({
      write: (chunk) => good.write(chunk.length > 60_000 ? chunk.subarray(1) : chunk),
    }),
  },
  'sends a chunk twice': {
    by: 'delivers everything in order, in both directions at once',
    change: (good) => ({
      write: (chunk) => {
        if (chunk.length === 4097) void good.write(chunk)
        return good.write(chunk)
      },
    }),
  },
  'flips a bit far into the stream': {
    by: 'delivers megabytes beside small chunks',
    change: (good) => {
      let passed = 0
      return {
        write: (chunk) => {
          const copy = chunk.slice()
          if (passed <= 100_000 && passed + chunk.length > 100_000) flip(copy, 100_000 - passed)
          passed += chunk.length
          return good.write(copy)
        },
      }
    },
  },
  'uses the memory of a chunk again': {
    by: 'delivers everything in order, in both directions at once',
    change: (good) => {
      const memory = new Uint8Array(65_536)
      return {
        read: async () => {
          const chunk = await good.read()
          if (chunk === undefined) return undefined
          memory.set(chunk)
          return memory.subarray(0, chunk.length)
        },
      }
    },
  },
  'changes what was written': {
    by: 'delivers everything in order, in both directions at once',
    change: (good) => ({
      write: (chunk) => {
        const room = good.write(chunk.slice())
        if (chunk.length > 1000) flip(chunk, 0)
        return room
      },
    }),
  },
  'gives an empty chunk': {
    by: 'delivers single bytes',
    change: (good) => {
      let given = false
      return {
        read: () => {
          if (given) return good.read()
          given = true
          return new Uint8Array(0)
        },
      }
    },
  },
  'gives an end for an empty chunk': {
    by: 'ignores empty chunks',
    change: (good) => ({
      write: (chunk) => (chunk.length === 0 ? good.end() : good.write(chunk)),
    }),
  },
  'holds small chunks back until more comes': {
    by: 'holds nothing back',
    change: (good) => {
      let held: Uint8Array[] = []
      return {
        write: (chunk) => {
          held.push(chunk)
          if (held.reduce((sum, each) => sum + each.length, 0) < 64) return undefined
          const all = Buffer.concat(held)
          held = []
          return good.write(all)
        },
        end: () => {
          for (const chunk of held) void good.write(chunk)
          held = []
          return good.end()
        },
      }
    },
  },
  'refuses a read before the write': {
    by: 'gives a read that came first the bytes written later',
    change: (good) => ({
      read: () => {
        const chunk = good.read()
        if (!(chunk instanceof Promise)) return chunk
        chunk.catch(() => {})
        return Promise.reject(new BusbarError('NOT_READY', 'nothing there'))
      },
    }),
  },
  'lets a second read replace the first': {
    by: 'refuses a second pending read and keeps the first',
    change: (good) => {
      let first: Promise<Uint8Array | undefined> | undefined
      return {
        read: () => {
          if (first !== undefined) return first
          const chunk = good.read()
          if (!(chunk instanceof Promise)) return chunk
          const clear = (): void => {
            first = undefined
          }
          chunk.then(clear, clear)
          first = chunk
          return chunk
        },
      }
    },
  },
}
