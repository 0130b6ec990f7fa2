/**
 * Bulk of random lengths in both directions, over sockets and over rings: calls that keep their arguments and calls that give them back, callers who use their
 * memory again, streams that are left, calls that are cancelled, and links that break in the middle. Every byte is compared.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ClassTable, ObjectClient, ObjectServer, ReturnChannels } from '../src/component/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import type { ByteLink } from '../src/link/index.ts'
import { type CallContext, type Client, contract, method, RpcAccess, t } from '../src/rpc/index.ts'
import { RingPairs } from '../src/testing/index.ts'
import { connectUnix, listenUnix, nodeEnv } from '../src/transport/index.ts'

const SEEDS = 24
const CALLS = 60

const Store = contract(
  'test.Bulk',
  { version: '1.0' },
  {
    put: method({ at: t.uint32, data: t.bytes }, t.bool),
    later: method({ at: t.uint32, data: t.bytes, turns: t.uint32 }, t.bool),
    keep: method({ at: t.uint32, data: t.bytes }, t.uint32),
    give: method({ at: t.uint32, length: t.uint32 }, t.bytes),
    parts: method({ at: t.uint32, lengths: t.array(t.uint32), turns: t.uint32 }, t.stream(t.bytes)),
    take: method({ at: t.uint32, parts: t.stream(t.bytes), most: t.uint32 }, t.bool),
  },
)

/** Numbers from 0 to 2^32 - 1, the same each time (xorshift, Marsaglia 2003). */
function randomOf(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** All that is ever sent is part of this, so that a place and a length say what it must be. */
const ALL = (() => {
  const random = randomOf(1)
  return new Uint8Array(2_097_152).map(() => random() & 0xff)
})()

const part = (at: number, length: number): Uint8Array => ALL.subarray(at, at + length)
const same = (at: number, data: Uint8Array): boolean => Buffer.compare(data, part(at, data.length)) === 0

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

class Keeper {
  readonly kept: { at: number; data: Uint8Array }[] = []

  put({ at, data }: { at: number; data: Uint8Array }, call: CallContext): boolean {
    call.recycle()
    return same(at, data)
  }

  async later(
    { at, data, turns: count }: { at: number; data: Uint8Array; turns: number },
    call: CallContext,
  ): Promise<boolean> {
    call.recycle()
    await turns(count)
    return same(at, data)
  }

  keep({ at, data }: { at: number; data: Uint8Array }): number {
    return this.kept.push({ at, data }) - 1
  }

  give({ at, length }: { at: number; length: number }): Uint8Array {
    return part(at, length)
  }

  async *parts(args: { at: number; lengths: readonly number[]; turns: number }): AsyncGenerator<Uint8Array> {
    let { at } = args
    for (const length of args.lengths) {
      await turns(args.turns)
      yield part(at, length)
      at += length
    }
  }

  async take(args: { at: number; parts: AsyncIterable<Uint8Array>; most: number }): Promise<boolean> {
    let { at, most } = args
    for await (const data of args.parts) {
      if (!same(at, data)) return false
      at += data.length
      if (--most === 0) break
    }
    return true
  }
}

type Pair = readonly [ByteLink, ByteLink]

const rings = new RingPairs()
const directory = await mkdtemp(join(tmpdir(), 'busbar-bulk-'))
let accept: (link: ByteLink) => void = () => {}
const path = join(directory, 'socket')
const listener = await listenUnix(path, { onLink: (link) => accept(link) })

after(async () => {
  rings.close()
  await listener[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

let last: Promise<unknown> = Promise.resolve()

/** One pair after the other: which connection was accepted for whom is known by their order alone. */
function socketPair(): Promise<Pair> {
  const made = last.then(async (): Promise<Pair> => {
    const accepted = new Promise<ByteLink>((resolve) => {
      accept = resolve
    })
    return [await connectUnix(path), await accepted]
  })
  last = made
  return made
}

/** What went wrong with calls that were to fail, or may. */
const EXPECTED: ReadonlySet<string> = new Set(['CANCELLED', 'CLOSED', 'RESET', 'LINK_LOST', 'PEER_DIED'])

/** One client and one server, and everything that they send each other. */
class Run {
  readonly #random: () => number
  readonly #keeper = new Keeper()
  readonly #kept: { readonly at: number; readonly data: Uint8Array }[] = []
  readonly #broken: string[] = []
  readonly #breaks: boolean
  done = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
    this.#breaks = seed % 2 === 0
  }

  async run(pair: () => Promise<Pair>): Promise<void> {
    const env = nodeEnv()
    const classes = new ClassTable()
    classes.offer(Store, this.#keeper)
    const channels = new ReturnChannels(env)
    const caller = { partition: 'web', epoch: 1 }
    const [near, far] = await pair()
    const server = new ObjectServer(new RpcAccess(far), { env, classes, caller, returns: channels })
    const client = new ObjectClient(new RpcAccess(near), {
      env,
      returns: {
        peer: { partition: 'store', epoch: 0 },
        open: async (token) => {
          const [ours, theirs] = await pair()
          channels.claim(token, caller, new RpcAccess(theirs))
          return new RpcAccess(ours)
        },
      },
    })
    const store = await client.activate(Store)
    const breakAt = this.#breaks ? this.#below(CALLS) : CALLS
    const under = new Set<Promise<void>>()
    for (let i = 0; i < CALLS && i <= breakAt; i++) {
      const one: Promise<void> = this.#one(store).finally(() => under.delete(one))
      under.add(one)
      if (i === breakAt) this.#break(near, far)
      else if (under.size >= 8) await Promise.race(under)
      if (this.#below(4) === 0) await turns(this.#below(6))
    }
    await Promise.all(under)
    client.close()
    await Promise.all([client.closed, server.closed])
    assert.deepEqual(this.#broken, [])
    // What was kept on either side is what it was, whatever came since.
    for (const { at, data } of this.#kept) assert.ok(same(at, data), `${data.length} bytes that were kept have changed`)
    const memory = ({ rpc }: { rpc: { memory: { unsent: number; partial: number; reassembly: number } } }): unknown =>
      rpc.memory
    const nothing = { unsent: 0, partial: 0, reassembly: 0 }
    assert.deepEqual([memory(client.inspect()), memory(server.inspect())], [nothing, nothing])
  }

  #break(near: ByteLink, far: ByteLink): void {
    const link = this.#below(2) === 0 ? near : far
    link.close(new BusbarError('LINK_LOST', 'broken by the test'))
  }

  #below(limit: number): number {
    return this.#random() % limit
  }

  /** Around the lengths at which something changes: what is copied, one fragment, two, what a page holds. */
  #length(): number {
    const around = [0, 64, 16_384, 65_504, 65_464, 131_008, 266_240][this.#below(7)] as number
    return Math.max(0, around - 48 + this.#below(96)) + (this.#below(4) === 0 ? this.#below(200_000) : 0)
  }

  async #one(store: Client<typeof Store>): Promise<void> {
    const [kind, length] = [this.#below(6), this.#length()]
    const at = this.#below(ALL.length - length)
    const stop = new AbortController()
    const options = { signal: stop.signal }
    const data = part(at, length).slice()
    if (this.#below(4) === 0) void turns(this.#below(8)).then(() => stop.abort())
    try {
      await [
        async () => this.#expect(await store.put({ at, data }, options), 'put', length),
        async () => this.#expect(await store.later({ at, data, turns: this.#below(10) }, options), 'later', length),
        async () =>
          this.#kept.push({ at, data: this.#keeper.kept[await store.keep({ at, data }, options)]?.data as Uint8Array }),
        async () => this.#received(at, length, await store.give({ at, length }, options)),
        () => this.#read(store, at, options),
        () => this.#written(store, at, options),
      ][kind]?.()
      this.done++
    } catch (thrown) {
      const { code, message } = BusbarError.from(thrown)
      if (!EXPECTED.has(code) || (code !== 'CANCELLED' && !this.#breaks))
        this.#broken.push(`${kind} of ${length}: ${code} ${message}`)
    }
    // It is the caller's own again.
    data.fill(0xee)
  }

  #expect(found: boolean, what: string, length: number): void {
    if (!found) this.#broken.push(`${what} of ${length} bytes: others came`)
  }

  #received(at: number, length: number, data: Uint8Array): void {
    this.#expect(data.length === length && same(at, data), 'give', length)
    this.#kept.push({ at, data })
  }

  #lengths(): number[] {
    return Array.from({ length: this.#below(12) }, () => this.#length() % 150_000)
  }

  async #read(store: Client<typeof Store>, from: number, options: { signal: AbortSignal }): Promise<void> {
    const lengths = this.#lengths()
    let at = Math.min(from, ALL.length - 1_800_000)
    const most = this.#below(3) === 0 ? this.#below(12) : 99
    let read = 0
    for await (const data of store.parts({ at, lengths, turns: this.#below(3) }, options)) {
      this.#received(at, lengths[read++] ?? -1, data)
      at += data.length
      if (read >= most) return
      if (this.#below(4) === 0) await turns(this.#below(8))
    }
    if (read !== lengths.length) this.#broken.push(`a stream of ${lengths.length} items ended behind ${read}`)
  }

  async #written(store: Client<typeof Store>, from: number, options: { signal: AbortSignal }): Promise<void> {
    const lengths = this.#lengths()
    const at = Math.min(from, ALL.length - 1_800_000)
    const parts = function* (): Generator<Uint8Array> {
      let next = at
      for (const length of lengths) {
        yield part(next, length)
        next += length
      }
    }
    const most = this.#below(3) === 0 ? 1 + this.#below(12) : 99
    this.#expect(await store.take({ at, parts: parts(), most }, options), 'take', lengths.length)
  }
}

for (const [over, pair] of [
  ['sockets', socketPair],
  ['rings', async (): Promise<Pair> => rings.pair()],
] as const) {
  test(`bulk over ${over} is what was sent, and stays it`, { timeout: 120_000 }, async () => {
    let done = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const run = new Run(seed)
      await run.run(pair).catch((thrown: unknown) => {
        throw new Error(`seed ${seed} over ${over}`, { cause: thrown })
      })
      done += run.done
    }
    assert.ok(done > (SEEDS * CALLS) / 4, `${done} calls came through`)
  })
}
