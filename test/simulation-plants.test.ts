import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type AccessAnswer,
  Broker,
  type Channel,
  type Endpoint,
  type Incoming,
  type ServerSession,
} from '../src/bus/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import type { Awaitable } from '../src/link/index.ts'
import { type Plants, runSeed, runSeeds } from '../src/testing/index.ts'

/** A planted bug is to be found within this many seeds. */
const SEEDS = 150

/** The object with some of its members replaced. */
function altered<T extends object>(target: T, changed: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      if (name in changed) return Reflect.get(changed, name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** Channels that a program opens, altered. */
function onOpen(alter: (channel: Channel, endpoint: Endpoint) => Awaitable<Channel>): Plants {
  return {
    endpoint: (endpoint) =>
      altered(endpoint, { open: async (name, options) => alter(await endpoint.open(name, options), endpoint) }),
  }
}

/** What is read of a channel, altered: `fate` sees each chunk with its place in the order. */
function onRead(fate: (chunk: Uint8Array, index: number) => (Uint8Array | undefined)[]): Plants {
  return onOpen((channel) => {
    const ready: (Uint8Array | undefined)[] = []
    let index = 0
    const read = async (): Promise<Uint8Array | undefined> => {
      while (ready.length === 0) {
        const chunk = await channel.read()
        if (chunk === undefined) return undefined
        ready.push(...fate(chunk, index++))
      }
      return ready.shift()
    }
    // What flows past reads is read one by one, through this one.
    return altered(channel, { read, flow: undefined } as unknown as Partial<Channel>)
  })
}

/** From the second message on, every other one overtakes the one before it. */
function swapWrites(): Plants {
  return onOpen((channel) => {
    let held: Uint8Array | undefined
    let writes = 0
    const flush = (): void => {
      if (held !== undefined) void channel.write(held)
      held = undefined
    }
    return altered(channel, {
      write: (chunk) => {
        if (++writes === 1) return channel.write(chunk)
        if (held === undefined) {
          held = chunk
          return undefined
        }
        const room = channel.write(chunk)
        flush()
        return room
      },
      end: () => {
        flush()
        return channel.end()
      },
    })
  })
}

/** An opening is repeated, as if its answer had been lost, and both channels are written to. */
function openTwice(): Plants {
  return {
    endpoint: (endpoint) =>
      altered(endpoint, {
        open: async (name, options) => {
          const first = await endpoint.open(name, options)
          const second = await endpoint.open(name, options).catch(() => undefined)
          if (second === undefined) return first
          return altered(first, {
            write: (chunk) => {
              Promise.resolve(second.write(chunk)).catch(() => {})
              return first.write(chunk)
            },
          })
        },
      }),
  }
}

/** Takes the caller of a channel from the message that asks for it. */
class Gullible extends Broker {
  override open(session: ServerSession, opening: Incoming): void {
    const { caller, callerEpoch } = opening.message
    const named = altered(session, { partition: caller, epoch: callerEpoch } as Partial<ServerSession>)
    super.open(caller === '' ? session : named, opening)
  }
}

const PLANTS: readonly { bug: string; rule: string; plants: Plants }[] = [
  {
    bug: 'a chunk is delivered twice',
    rule: 'I1',
    plants: onRead((chunk, index) => (index === 1 ? [chunk, chunk] : [chunk])),
  },
  { bug: 'a chunk is lost', rule: 'I1', plants: onRead((chunk, index) => (index === 1 ? [] : [chunk])) },
  {
    bug: 'the end is reported before everything was read',
    rule: 'I1',
    plants: onRead((chunk, index) => (index === 1 ? [undefined] : [chunk])),
  },
  {
    bug: 'an opening fails with a code of our own',
    rule: 'I2',
    plants: {
      endpoint: (endpoint) =>
        altered(endpoint, {
          open: (name, options) =>
            endpoint.open(name, options).catch((thrown: unknown) => {
              throw new BusbarError('INTERNAL', 'lost the reason', { cause: thrown })
            }),
        }),
    },
  },
  { bug: 'an opening is repeated and reaches two targets', rule: 'I3', plants: openTwice() },
  {
    bug: 'the bus opens channels without asking the policy',
    rule: 'I4',
    plants: { policy: (policy) => ({ ...policy, sees: () => true, decide: () => ({ allowed: true, rule: 'none' }) }) },
  },
  {
    bug: 'the bus goes on by the rules that it asked first',
    rule: 'I4',
    plants: {
      policy: (policy) => {
        const first = new Map<string, AccessAnswer>()
        return {
          sees: (question) => policy.sees(question),
          decide: (question) => {
            const now = policy.decide(question)
            const key = `${question.caller} ${question.target}`
            const known = first.get(key)
            if (known === undefined) first.set(key, now)
            return known ?? now
          },
        }
      },
    },
  },
  {
    bug: 'the bus allows what nobody decided, where the same was allowed before',
    rule: 'I4',
    plants: {
      policy: (policy) => {
        const known = new Map<string, AccessAnswer>()
        return {
          sees: (question) => policy.sees(question),
          decide: (question) => {
            const key = `${question.caller} ${question.target} ${question.service}`
            const answer = known.get(key) ?? policy.decide(question)
            known.set(key, answer)
            return answer
          },
        }
      },
    },
  },
  {
    bug: 'a call fails as if its component had thrown',
    rule: 'I2',
    plants: {
      rpcInterface: (plain) => {
        let calls = 0
        return altered(plain, {
          dispatch: (call) => {
            if (++calls % 5 === 0) throw new BusbarError('FAULT', 'planted')
            return plain.dispatch(call)
          },
        })
      },
    },
  },
  {
    bug: 'the caller is not taken from the link',
    rule: 'I5',
    plants: {
      endpoint: (endpoint) =>
        altered(endpoint, {
          offer: (service, options) =>
            endpoint.offer(service, {
              ...options,
              decide: (opening) => options.decide(opening, { partition: 'ada', epoch: 1 }),
            }),
        }),
    },
  },
  { bug: 'the bus believes who a partition says that it is', rule: 'I5', plants: { broker: Gullible } },
  { bug: 'a stream queues without limit', rule: 'I7', plants: { muxLimits: { sendQueue: 1 << 28 } } },
  {
    bug: 'the bus writes to a process that was dialled without waiting for room',
    rule: 'I7',
    plants: { accepted: (link) => altered(link, { write: (chunk) => void link.write(chunk) }) },
  },
  { bug: 'requests in fragments are held without limit', rule: 'I7', plants: { rpcLimits: { reassembly: 1 << 28 } } },
  { bug: 'a caller opens any number of links', rule: 'I7', plants: { rpcLimits: { callerLinks: 256 } } },
  { bug: 'an association takes any number of calls', rule: 'I7', plants: { rpcLimits: { calls: 1_000 } } },
  {
    bug: 'an association group outlives its last link',
    rule: 'I9',
    plants: { rpcGroups: (groups) => altered(groups, { leave: () => {} }) },
  },
  {
    bug: 'an operation gets the answer of the one before it',
    rule: 'I1',
    plants: {
      rpcInterface: (plain) => {
        let before: Uint8Array | undefined
        return altered(plain, {
          dispatch: async (call) => {
            const answer = (await plain.dispatch(call)) as Uint8Array
            const other = before ?? answer
            before = answer
            return other
          },
        })
      },
    },
  },
  {
    bug: 'an operation runs although its request was refused',
    rule: 'I3',
    plants: {
      rpcInterface: (plain) =>
        altered(plain, {
          dispatch: async (call) => {
            const answer = (await plain.dispatch(call)) as Uint8Array
            if (call.opnum === 1) throw new BusbarError('BUSY', 'planted')
            return answer
          },
        }),
    },
  },
  {
    bug: 'an opening leaves a listener on its signal',
    rule: 'I9',
    plants: {
      endpoint: (endpoint) =>
        altered(endpoint, {
          open: (name, options) => {
            options?.signal?.addEventListener('abort', () => {})
            return endpoint.open(name, options)
          },
        }),
    },
  },
  {
    bug: 'a channel closes with another reason than its reads fail with',
    rule: 'I10',
    plants: onOpen((channel) =>
      altered(channel, {
        closed: channel.closed.then((reason) => reason && new BusbarError('PEER_DIED', 'another reason')),
      }),
    ),
  },
  { bug: 'messages overtake each other', rule: 'I11', plants: swapWrites() },
  {
    bug: 'an opening never settles when it is refused',
    rule: 'I12',
    plants: {
      endpoint: (endpoint) =>
        altered(endpoint, { open: (name, options) => endpoint.open(name, options).catch(() => new Promise(() => {})) }),
    },
  },
  {
    bug: 'a timer starts itself again for ever',
    rule: 'I12',
    plants: {
      env: (env) => ({
        ...env,
        timer: (delay, run) => {
          const again = (): void => void env.timer(500, again)
          again()
          return env.timer(delay, run)
        },
      }),
    },
  },
  {
    bug: 'a timer throws',
    rule: 'escape',
    plants: {
      env: (env) => ({
        ...env,
        timer: (delay, run) =>
          env.timer(delay, () => {
            run()
            throw new TypeError('planted')
          }),
      }),
    },
  },
  {
    bug: 'the clock of the machine is read',
    rule: 'trap',
    plants: {
      policy: (policy) => ({
        sees: (question) => policy.sees(question),
        decide: (question) => ({ ...policy.decide(question), rule: String(Date.now()) }),
      }),
    },
  },
]

describe('a planted bug breaks its rule', () => {
  for (const { bug, rule, plants } of PLANTS) {
    test(`${rule}: ${bug}`, async () => {
      const broken = new Set<string>()
      for (let seed = 1; seed <= SEEDS && !broken.has(rule); seed++) {
        const { violations } = await runSeed(seed, { plants })
        for (const { invariant } of violations) broken.add(invariant)
      }
      assert.ok(broken.has(rule), `${SEEDS} seeds broke only: ${[...broken].join(', ') || 'nothing'}`)
    })
  }

  test('I16: a decision depends on what happened before the run', async () => {
    let decisions = 0
    const plants: Plants = {
      policy: (policy) => ({
        sees: (question) => policy.sees(question),
        decide: (question) => (++decisions % 3 === 0 ? { allowed: false, rule: 'moon' } : policy.decide(question)),
      }),
    }
    const { failures } = await runSeeds(1, SEEDS, { plants })
    assert.ok(failures.some(({ violation }) => violation.invariant === 'I16'))
  })
})
