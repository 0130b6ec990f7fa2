/** Bugs on purpose among objects and references: the simulator finds each. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { query } from '../src/component/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import type { ByteLink } from '../src/link/index.ts'
import { contract, method, t } from '../src/rpc/index.ts'
import { type Plants, planOf, runSeed } from '../src/testing/index.ts'

/** A planted bug is to be found within this many seeds that have objects. */
const SEEDS = 40

/** Header of a request up to its stub, with the object it is for (C706 12.6.4.9), and ORPCTHIS without extents (MS-DCOM 2.2.13.3), `bytes`. */
const REQUEST = 40
const THIS = 32
/** `RemRelease` of IRemUnknown. */
const RELEASE = 5
/** An entry of it: IPID and two counts, `bytes`. */
const ENTRY = 24

/** A link of which each PDU that leaves may be changed. Writes begin and end with PDUs where they are small. */
function rewriting(link: ByteLink, change: (pdu: Uint8Array) => void): ByteLink {
  return {
    read: () => link.read(),
    write: (chunk) => {
      const copy = chunk.slice()
      const view = new DataView(copy.buffer)
      for (let at = 0; at + 16 <= copy.length; ) {
        const length = view.getUint16(at + 8, true)
        if (length < 16 || at + length > copy.length) break
        change(copy.subarray(at, at + length))
        at += length
      }
      return link.write(copy)
    },
    end: () => link.end(),
    close: (reason) => link.close(reason),
    closed: link.closed,
  }
}

/** Changes the number of references that a release gives back. */
function releasing(count: number): Plants {
  return {
    objectPipe: (link) =>
      rewriting(link, (pdu) => {
        const view = new DataView(pdu.buffer, pdu.byteOffset, pdu.length)
        if (pdu[2] !== 0 || pdu.length < REQUEST + THIS + 8 || view.getUint16(22, true) !== RELEASE) return
        const entries = view.getUint16(REQUEST + THIS, true)
        if (pdu.length !== REQUEST + THIS + 8 + entries * ENTRY) return
        for (let at = 0; at < entries; at++) view.setUint32(REQUEST + THIS + 8 + at * ENTRY + 16, count, true)
      }),
  }
}

/** The serving side does not hear that its pipe is over. */
function deafServer(): Plants {
  const never = new Promise<never>(() => {})
  return {
    objectPipe: (link, role) => {
      if (role === 'client') return link
      return {
        read: async () => (await Promise.resolve(link.read()).catch(() => never)) ?? never,
        write: (chunk) => link.write(chunk),
        end: () => link.end(),
        close: () => {},
        closed: never,
      }
    },
  }
}

const Thing = contract('sim.Thing', { version: '1.0' }, { who: method({ call: t.uint32 }, t.uint32) })

function everyThird(): () => boolean {
  let count = 0
  return () => ++count % 3 === 0
}

const PLANTS: readonly { bug: string; rule: string; plants: () => Plants }[] = [
  {
    bug: 'a release is lost',
    rule: 'I8',
    plants: () => {
      const lost = everyThird()
      return { release: () => !lost() }
    },
  },
  { bug: 'a release gives nothing back', rule: 'I8', plants: () => releasing(0) },
  { bug: 'a release gives back twice what was held', rule: 'I8', plants: () => releasing(2) },
  { bug: 'who gets a reference takes another one and forgets it', rule: 'I8', plants: () => ({ proxy: share }) },
  { bug: 'run-down does not happen where the component is', rule: 'I8', plants: deafServer },
  {
    bug: 'an object is disposed of as soon as it was given',
    rule: 'I8',
    plants: () => ({
      objectHooks: {
        serves: [
          async (call, next) => {
            const answer = await next(call)
            if (call.method === 'make') for (const each of answer as Disposable[]) each[Symbol.dispose]()
            return answer
          },
        ],
      },
    }),
  },
  {
    bug: 'an answer gives the objects of the one before it',
    rule: 'I8',
    plants: () => {
      let before: unknown
      return {
        objectHooks: {
          serves: [
            async (call, next) => {
              const answer = await next(call)
              if (call.method !== 'make') return answer
              const other = before ?? answer
              before = answer
              return other
            },
          ],
        },
      }
    },
  },
  {
    bug: 'the answer to one call is given to the next one again',
    rule: 'I1',
    plants: () => {
      let before: unknown
      return {
        objectHooks: {
          calls: [
            async (call, next) => {
              const answer = await next(call)
              if (call.method !== 'who') return answer
              const other = before ?? answer
              before = answer
              return other
            },
          ],
        },
      }
    },
  },
  {
    bug: 'a call fails as if its pipe had broken',
    rule: 'I2',
    plants: () => {
      const now = everyThird()
      return {
        objectHooks: {
          calls: [(call, next) => (now() ? Promise.reject(new BusbarError('PEER_DIED', 'planted')) : next(call))],
        },
      }
    },
  },
  {
    bug: 'a call is made twice',
    rule: 'I3',
    plants: () => ({
      objectHooks: {
        calls: [
          async (call, next) => {
            if (call.method === 'who') await next(call)
            return next(call)
          },
        ],
      },
    }),
  },
  {
    bug: 'a call runs although it is said that it was refused',
    rule: 'I3',
    plants: () => ({
      objectHooks: {
        serves: [
          async (call, next) => {
            const answer = await next(call)
            if (call.method === 'keep') throw new BusbarError('BUSY', 'planted')
            return answer
          },
        ],
      },
    }),
  },
  { bug: 'an item of a stream is given twice', rule: 'I11', plants: () => streaming(twice) },
  { bug: 'a stream that broke is said to be at its end', rule: 'I1', plants: () => streaming(quietly) },
  { bug: 'a producer is not told that its reader left', rule: 'I9', plants: () => streaming(endless) },
  {
    bug: 'who reads a stream that was cut waits for ever',
    rule: 'I12',
    plants: () => ({
      objectHooks: {
        calls: [
          (call, next) => {
            const made = next(call)
            return call.method === 'flow' ? silent(made as Items) : made
          },
        ],
      },
    }),
  },
  {
    bug: 'a call leaves a listener on its signal',
    rule: 'I9',
    plants: () => ({
      objectHooks: {
        calls: [
          (call, next) => {
            call.options?.signal?.addEventListener('abort', () => {})
            return next(call)
          },
        ],
      },
    }),
  },
  {
    bug: 'a call never settles when its pipe breaks',
    rule: 'I12',
    plants: () => ({
      objectHooks: {
        calls: [
          async (call, next) => {
            try {
              return await next(call)
            } catch (thrown) {
              if (call.options?.signal?.aborted === true) throw thrown
              return new Promise<never>(() => {})
            }
          },
        ],
      },
    }),
  },
]

type Items = AsyncIterable<unknown>

/** Serves something in place of the streams that components give. */
function streaming(change: (items: Items) => Items): Plants {
  return {
    objectHooks: {
      serves: [
        (call, next) => {
          const answer = next(call)
          return call.method === 'flow' ? change(answer as Items) : answer
        },
      ],
    },
  }
}

async function* twice(items: Items): Items & AsyncGenerator<unknown, void, void> {
  for await (const item of items) {
    yield item
    yield item
  }
}

async function* quietly(items: Items): Items & AsyncGenerator<unknown, void, void> {
  try {
    yield* items
  } catch {
    // It ends as if that were all.
  }
}

/** Without a way to leave it. */
function endless(items: Items): Items {
  const iterator = items[Symbol.asyncIterator]()
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
}

/** Fails by never going on. */
function silent(items: Items): Items {
  const iterator = items[Symbol.asyncIterator]()
  const silently: AsyncIterator<unknown> & Items = {
    [Symbol.asyncIterator]: () => silently,
    next: () => iterator.next().catch(() => new Promise<never>(() => {})),
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
  }
  return silently
}

function share(proxy: object): void {
  query(proxy, Thing).catch(() => {})
}

function hasObjects(seed: number): boolean {
  return planOf(seed).ops.some(({ kind }) => kind === 'objects')
}

describe('a planted bug among references breaks its rule', () => {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < SEEDS; seed++) if (hasObjects(seed)) seeds.push(seed)
  for (const { bug, rule, plants } of PLANTS) {
    test(`${rule}: ${bug}`, async (context) => {
      const broken = new Set<string>()
      let runs = 0
      for (const seed of seeds) {
        if (broken.has(rule)) break
        runs++
        const { violations } = await runSeed(seed, { plants: plants() })
        for (const { invariant } of violations) broken.add(invariant)
      }
      context.diagnostic(`found after ${runs} seeds`)
      assert.ok(broken.has(rule), `${SEEDS} seeds broke only: ${[...broken].join(', ') || 'nothing'}`)
    })
  }
})
