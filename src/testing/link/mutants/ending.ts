import { BusbarError } from '../../../errors/index.ts'
import type { ByteLink } from '../../../link/index.ts'
import { type Mutant, NEVER } from './mutant.ts'

/** Links that end wrongly, or let the wrong writer wait. */
export const ENDING_MUTANTS: Record<string, Mutant<ByteLink>> = {
  'ends both directions': {
    by: 'ends one direction and leaves the other alone',
    change: (good, peer) => ({
      end: async () => {
        await good.end()
        await peer.end()
      },
    }),
  },
  'closes at the end of one direction': {
    by: 'ends one direction and leaves the other alone',
    change: (good) => {
      let ended = false
      return {
        end: () => {
          ended = true
          return good.end()
        },
        get closed() {
          return ended ? Promise.resolve(undefined) : good.closed
        },
      }
    },
  },
  'never closes in order': {
    by: 'closes in order after both ends',
    change: (good) => ({
      closed: good.closed.then((reason) => (reason === undefined ? NEVER : reason)),
    }),
  },
  'gives an orderly close a reason': {
    by: 'closes in order after both ends',
    change: (good) => ({
      closed: good.closed.then((reason) => reason ?? new BusbarError('CLOSED', 'ended')),
    }),
  },
  'forgets that it ended': {
    by: 'stays ended',
    change: (good) => {
      let ends = 0
      return {
        read: async () => {
          const chunk = await good.read()
          if (chunk === undefined && ends++ > 0) return NEVER
          return chunk
        },
      }
    },
  },
  'hangs a pending read at the end': {
    by: 'ends a pending read',
    change: (good) => ({
      read: () => {
        const chunk = good.read()
        return chunk instanceof Promise ? chunk.then((bytes) => bytes ?? NEVER) : chunk
      },
    }),
  },
  'accepts a write after the end': {
    by: 'refuses writing after the end',
    change: (good) => {
      let ended = false
      return {
        write: (chunk) => (ended ? undefined : good.write(chunk)),
        end: () => {
          ended = true
          return good.end()
        },
      }
    },
  },
  'throws instead of rejecting': {
    by: 'refuses writing after the end',
    change: (good) => {
      let ended = false
      return {
        write: (chunk) => {
          if (ended) throw new BusbarError('ENDED', 'thrown')
          return good.write(chunk)
        },
        end: () => {
          ended = true
          return good.end()
        },
      }
    },
  },
  'fails when ended twice': {
    by: 'refuses writing after the end',
    change: (good) => {
      let ended = false
      return {
        end: () => {
          if (ended) return Promise.reject(new BusbarError('ENDED', 'again'))
          ended = true
          return good.end()
        },
      }
    },
  },
  'lets the end overtake bytes that wait': {
    by: 'loses nothing of a writer that does not wait',
    change: (good) => {
      const held: Uint8Array[] = []
      let ended = false
      return {
        write: (chunk) => {
          if (held.length === 0) {
            const room = good.write(chunk)
            if (room instanceof Promise) held.push(chunk)
            return room
          }
          held.push(chunk)
          return NEVER
        },
        end: () => {
          ended = true
          return ended ? good.end() : undefined
        },
      }
    },
  },
  'loses unread bytes when both directions have ended': {
    by: 'keeps unread bytes when both directions have ended',
    change: (good, peer) => {
      let ended = false
      let over = false
      void Promise.resolve(peer.closed).then(() => undefined)
      return {
        end: () => {
          ended = true
          return good.end()
        },
        read: async () => {
          if (over) return undefined
          const chunk = await good.read()
          if (ended && chunk !== undefined) over = true
          return over ? undefined : chunk
        },
      }
    },
  },
  'never makes a writer wait': {
    by: 'makes the writer wait for the reader, within a bound',
    change: (good) => ({
      write: (chunk) => {
        const room = good.write(chunk)
        return chunk.length > 8000 ? undefined : room
      },
    }),
  },
  'makes a writer wait for ever': {
    by: 'makes the writer wait for the reader, within a bound',
    change: (good) => ({
      write: (chunk) => {
        const room = good.write(chunk)
        return room instanceof Promise ? room.then(() => NEVER) : room
      },
    }),
  },
  'lets a writer go on before the reader read': {
    by: 'makes the writer wait for the reader, within a bound',
    change: (good) => ({
      write: async (chunk) => {
        const room = good.write(chunk)
        if (!(room instanceof Promise)) return
        room.catch(() => {})
        for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve))
      },
    }),
  },
  'stops reading while its writer waits': {
    by: 'lets a full direction stop nothing else',
    change: (good) => {
      let waiting: Promise<void> | undefined
      return {
        write: (chunk) => {
          const room = good.write(chunk)
          waiting = room instanceof Promise ? room : undefined
          return room
        },
        read: async () => {
          await waiting
          return good.read()
        },
      }
    },
  },
  'ends before bytes that wait': {
    by: 'ends after everything that was written',
    change: (good) => {
      let sent = 0
      return {
        write: (chunk) => {
          sent += chunk.length
          return sent > 200_000 ? NEVER : good.write(chunk)
        },
      }
    },
  },
}
