import type { MessageLink } from '../../../link/index.ts'
import type { Mutant } from './mutant.ts'

/** Message links that get their messages wrong. */
export const MESSAGE_MUTANTS: Record<string, Mutant<MessageLink>> = {
  'joins messages of a burst': {
    by: 'keeps the boundaries of a burst',
    change: (good) => {
      let held: Uint8Array | undefined
      return {
        write: (message) => {
          if (message.length === 2 && held === undefined) {
            held = message
            return undefined
          }
          const whole = held === undefined ? message : Buffer.concat([held, message])
          held = undefined
          return good.write(whole)
        },
      }
    },
  },
  'splits long messages': {
    by: 'keeps message boundaries',
    change: (good) => ({
      write: (message) => {
        if (message.length < 5000 || message.length > good.maxMessage) return good.write(message)
        void good.write(message.subarray(0, 4096))
        return good.write(message.subarray(4096))
      },
    }),
  },
  'cuts messages that are too long': {
    by: 'refuses messages that are too long or empty',
    change: (good) => ({
      write: (message) => good.write(message.subarray(0, good.maxMessage)),
    }),
  },
  'ignores empty messages': {
    by: 'refuses messages that are too long or empty',
    change: (good) => ({
      write: (message) => (message.length === 0 ? undefined : good.write(message)),
    }),
  },
}
