import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CallContext, contract, method, t } from '../rpc/index.ts'
import { StillEnv } from '../testing/index.ts'
import { nodeEnv } from '../transport/index.ts'
import { ClassTable } from './classes.ts'
import type { ObjectLimits } from './limits.ts'
import { code, counts, end, settle, type World, world } from './harness.test.ts'

/** Requests of so many `bytes` come in fragments, in memory of their own. */
const LONG = 200_000

const Box = contract(
  'test.Box',
  { version: '1.0' },
  {
    put: method({ data: t.bytes }, t.uint32),
    echo: method({ data: t.bytes }, t.bytes),
    later: method({ data: t.bytes }, t.uint32),
    fail: method({ data: t.bytes }, t.void),
    parts: method({ data: t.bytes }, t.stream(t.bytes)),
  },
)

type Data = { data: Uint8Array }

class Reclaiming extends StillEnv {
  readonly reclaim = nodeEnv().reclaim as (memory: Uint8Array) => Uint8Array
}

/** Keeps what it was given, against its promise where it makes one. */
class Keeper {
  recycles = true
  readonly kept: Uint8Array[] = []
  readonly waiting: (() => void)[] = []

  put({ data }: Data, call: CallContext): number | Promise<number> {
    return this.#take(data, call).reduce((sum, byte) => sum + byte, 0)
  }

  echo({ data }: Data, call: CallContext): Uint8Array {
    return this.#take(data, call).subarray(1)
  }

  async later({ data }: Data, call: CallContext): Promise<number> {
    this.#take(data, call)
    await new Promise<void>((resolve) => this.waiting.push(resolve))
    return data.reduce((sum, byte) => sum + byte, 0)
  }

  fail({ data }: Data, call: CallContext): never {
    this.#take(data, call)
    throw new Error('no')
  }

  *parts({ data }: Data, call: CallContext): Generator<Uint8Array> {
    this.#take(data, call)
    for (let at = 0; at < data.length; at += LONG / 4) yield data.subarray(at, at + LONG / 4)
  }

  #take(data: Uint8Array, call: CallContext): Uint8Array {
    if (this.recycles) call.recycle()
    this.kept.push(data)
    return data
  }
}

async function scene(env: StillEnv = new Reclaiming(), server: Partial<ObjectLimits> = {}) {
  const keeper = new Keeper()
  const classes = new ClassTable()
  classes.offer(Box, keeper)
  const made = world({ env, classes, server })
  return { made, keeper, box: await made.client.activate(Box) }
}

const held = ({ server }: World): number => server.inspect().rpc.memory.reassembly
const filled = (byte: number): Uint8Array => new Uint8Array(LONG).fill(byte)
const lengths = ({ kept }: Keeper): number[] => kept.map(({ length }) => length)

async function over(made: World): Promise<void> {
  await end(made)
  assert.equal(held(made), 0)
}

describe('a call that gives the memory of its arguments back', () => {
  test('has it taken away with its outcome, and the next ones have it', async () => {
    const { made, keeper, box } = await scene()
    assert.equal(await box.put({ data: filled(1) }), LONG)
    const spare = held(made)
    assert.ok(spare >= LONG && spare < 2.1 * LONG, `${spare} bytes are spare`)
    for (let i = 2; i < 20; i++) {
      assert.equal(await box.put({ data: filled(i) }), i * LONG)
      assert.ok(held(made) <= 2.1 * LONG)
    }
    assert.deepEqual(
      lengths(keeper),
      Array.from({ length: 19 }, () => 0),
    )
    assert.ok(keeper.kept.every((data) => data.buffer.byteLength === 0))
    await over(made)
  })

  test('several at a time do not share it, and each has it until its own outcome', async () => {
    const { made, keeper, box } = await scene()
    await box.put({ data: filled(1) })
    const calls = [2, 3, 4].map((byte) => box.later({ data: filled(byte) }))
    while (keeper.waiting.length < 3) await settle()
    assert.deepEqual(lengths(keeper).slice(1), [LONG, LONG, LONG])
    assert.equal(new Set(keeper.kept.map(({ buffer }) => buffer)).size, 4)
    keeper.waiting[1]?.()
    assert.equal(await calls[1], 3 * LONG)
    assert.deepEqual(lengths(keeper).slice(1), [LONG, 0, LONG])
    assert.equal(await box.put({ data: filled(9) }), 9 * LONG)
    for (const go of keeper.waiting) go()
    assert.deepEqual(await Promise.all(calls), [2 * LONG, 3 * LONG, 4 * LONG])
    assert.deepEqual(lengths(keeper), [0, 0, 0, 0, 0])
    await over(made)
  })

  test('may answer with a part of its arguments, and may fail', async () => {
    const { made, keeper, box } = await scene()
    const data = filled(7)
    assert.deepEqual(await box.echo({ data }), data.subarray(1))
    await assert.rejects(box.fail({ data }), code('FAULT'))
    assert.deepEqual(await box.echo({ data: filled(8) }), filled(8).subarray(1))
    assert.deepEqual(lengths(keeper), [0, 0, 0])
    await over(made)
  })

  test('keeps them while its stream is read, and afterwards', async () => {
    const { made, keeper, box } = await scene()
    let bytes = 0
    for await (const part of box.parts({ data: filled(3) })) bytes += part.reduce((sum, byte) => sum + byte, 0)
    assert.equal(bytes, 3 * LONG)
    await box.put({ data: filled(4) })
    assert.deepEqual(lengths(keeper), [LONG, 0])
    await over(made)
  })

  test('loses nothing that came in one piece, whose memory others have as well', async () => {
    const { made, keeper, box } = await scene()
    for (const byte of [1, 2, 3])
      assert.equal(await box.put({ data: new Uint8Array(20_000).fill(byte) }), byte * 20_000)
    assert.deepEqual(
      keeper.kept.map((data) => [data.length, data[0], data[19_999]]),
      [1, 2, 3].map((byte) => [20_000, byte, byte]),
    )
    assert.equal(held(made), 0)
    await over(made)
  })

  test('may have passed them on to a call that was refused before all of them had left', async () => {
    const env = new Reclaiming()
    const last = await scene(env, { rpc: { request: LONG / 2 } })
    const [toLast] = last.made.links
    class Forwarder extends Keeper {
      override put({ data }: Data, call: CallContext): Promise<number> {
        call.recycle()
        return last.box.put({ data })
      }
    }
    const classes = new ClassTable()
    classes.offer(Box, new Forwarder())
    const made = world({ env, classes })
    const box = await made.client.activate(Box)
    toLast.fence()
    const refused = assert.rejects(box.put({ data: filled(1) }), code('DENIED'))
    while (last.made.client.inspect().rpc.calls.pending === 0) await settle()
    // The first fragment, which says how much is to come.
    toLast.release(2)
    await refused
    toLast.release()
    assert.equal(await last.box.put({ data: new Uint8Array(20_000).fill(2) }), 40_000)
    made.client.close()
    await made.client.closed
    await over(last.made)
  })

  test('that nobody waits for any more, or whose pipe is gone, gives nothing back', async () => {
    const { made, keeper, box } = await scene()
    const call = box.later({ data: filled(5) })
    call.catch(() => {})
    while (keeper.waiting.length === 0) await settle()
    made.client.close()
    await assert.rejects(call, code('CLOSED'))
    await made.server.closed
    assert.deepEqual(counts(made), { held: 0, given: 0, streams: 0, pending: 0, running: 0 })
    keeper.waiting[0]?.()
    await settle()
    assert.deepEqual([lengths(keeper), held(made)], [[LONG], 0])
  })
})

test('what is not given back stays whoever kept it, and so does all of it where memory cannot be taken away', async () => {
  for (const env of [new Reclaiming(), new StillEnv()]) {
    const { made, keeper, box } = await scene(env)
    keeper.recycles = !(env instanceof Reclaiming)
    for (const byte of [1, 2, 3, 4]) assert.equal(await box.put({ data: filled(byte) }), byte * LONG)
    assert.equal(held(made), 0)
    assert.deepEqual(
      keeper.kept.map((data) => [data.length, data[0], data[LONG - 1]]),
      [1, 2, 3, 4].map((byte) => [LONG, byte, byte]),
    )
    await over(made)
  }
})
