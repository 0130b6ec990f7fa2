import { BusbarError } from '../../../errors/index.ts'
import type { ByteLink } from '../../../link/index.ts'
import { type Mutant, NEVER } from './mutant.ts'

/** Links that close wrongly. */
export const CLOSE_MUTANTS: Record<string, Mutant<ByteLink>> = {
  'leaves a pending read waiting on close': {
    by: 'rejects everything with the reason after close',
    change: (good) => ({
      read: () => {
        const chunk = good.read()
        return chunk instanceof Promise ? chunk.catch(() => NEVER) : chunk
      },
    }),
  },
  'forgets the reason': {
    by: 'rejects everything with the reason after close',
    change: (good) => ({ close: () => good.close() }),
  },
  'takes the last reason': {
    by: 'keeps the first reason',
    change: (good) => {
      let last: BusbarError | undefined
      return {
        close: (reason) => {
          last = reason ?? new BusbarError('CLOSED', 'closed')
          good.close(last)
        },
        get closed() {
          return good.closed.then((reason) => (reason === undefined ? undefined : (last ?? reason)))
        },
      }
    },
  },
  'rejects its close event': {
    by: 'rejects everything with the reason after close',
    change: (good) => {
      const closed = good.closed.then((reason) => {
        if (reason !== undefined) throw reason
        return undefined
      })
      closed.catch(() => {})
      return { closed }
    },
  },
  'leaves a waiting write waiting on close': {
    by: 'rejects a waiting write on close',
    change: (good) => ({
      write: (chunk) => {
        const room = good.write(chunk)
        return room instanceof Promise ? room.catch(() => NEVER) : room
      },
    }),
  },
  'accepts writes after close': {
    by: 'rejects everything with the reason after close',
    change: (good) => {
      let over = false
      return {
        close: (reason) => {
          over = true
          good.close(reason)
        },
        write: (chunk) => (over ? undefined : good.write(chunk)),
      }
    },
  },
  'gives unread bytes after close': {
    by: 'drops unread bytes on close',
    change: (good) => {
      const kept: Uint8Array[] = []
      return {
        read: async () => {
          if (kept.length > 0) return kept.shift()
          const chunk = await good.read()
          if (chunk !== undefined && chunk.length === 20) kept.push(chunk)
          return chunk
        },
      }
    },
  },
  'ends instead of closing': {
    by: 'lets the peer notice a close',
    change: (good) => ({
      close: (reason) => {
        void good.end()
        if (reason?.code !== 'STALE_EPOCH') good.close(reason)
      },
    }),
  },
  'tells nobody of a close': {
    by: 'lets the peer notice a close',
    change: (good) => {
      let why: BusbarError | undefined
      let fail: (reason: BusbarError) => void = () => {}
      const failed = new Promise<never>((_, reject) => {
        fail = reject
      })
      failed.catch(() => {})
      return {
        close: (reason = new BusbarError('CLOSED', 'closed')) => {
          why ??= reason
          fail(why)
        },
        read: () => (why === undefined ? Promise.race([Promise.resolve(good.read()), failed]) : Promise.reject(why)),
        write: (chunk) => (why === undefined ? good.write(chunk) : Promise.reject(why)),
        closed: Promise.race([good.closed, failed.catch((reason: BusbarError) => reason)]),
      }
    },
  },
  'turns an orderly close into an abnormal one': {
    by: 'does nothing when closed after both ends',
    change: (good) => {
      let late: BusbarError | undefined
      return {
        close: (reason) => {
          late = reason
          good.close(reason)
        },
        get closed() {
          return good.closed.then((reason) => reason ?? late)
        },
      }
    },
  },
  'invents a reason': {
    by: 'closes with CLOSED when no reason is given',
    change: (good) => ({ close: (reason) => good.close(reason ?? new BusbarError('CANCELLED', 'invented')) }),
  },
  'leaves a writer waiting when the other side closes': {
    by: 'lets a blocked peer notice a close',
    change: (good) => ({
      write: (chunk) => {
        const room = good.write(chunk)
        return room instanceof Promise ? room.catch(() => NEVER) : room
      },
    }),
  },
  'throws when the other side closed first': {
    by: 'survives both sides closing at once',
    change: (good) => ({
      close: (reason) => {
        if (good.write(new Uint8Array(0)) instanceof Promise) throw new BusbarError('CLOSED', 'closed already')
        good.close(reason)
      },
    }),
  },
  'cannot be closed after its end': {
    by: 'closes a half-closed link',
    change: (good) => {
      let ended = false
      return {
        end: () => {
          ended = true
          return good.end()
        },
        close: (reason) => {
          if (!ended) good.close(reason)
        },
      }
    },
  },
}
