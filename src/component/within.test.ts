import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CallContext, Client, Hop } from '../rpc/index.ts'
import { contract, method, t } from '../rpc/index.ts'
import { StillEnv } from '../testing/index.ts'
import { decodeChain, encodeChain } from './chain.ts'
import { ClassTable } from './classes.ts'
import { type Extent, EXTENT_CHAIN, EXTENT_TRACE } from './extents.ts'
import { code, counts, end, settle, type World, world } from './harness.test.ts'
import { Raw } from './raw.test.ts'

const Step = contract(
  'test.Step',
  { version: '1.0' },
  { go: method({}, t.void), hang: method({}, t.void), items: method({}, t.stream(t.uint32)) },
)
type Step = Client<typeof Step>
const Desk = contract('test.Desk', { version: '1.0' }, { first: method({}, t.ref(Step)) })

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const OTHER = '00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-00'

interface Place {
  readonly all: World
  readonly step: Step
  readonly contexts: CallContext[]
}

/** Somewhere to call: what `does` does is done within the call. */
async function place(env: StillEnv, partition: string, does?: (context: CallContext) => unknown): Promise<Place> {
  const contexts: CallContext[] = []
  const classes = new ClassTable()
  const served = async (_: unknown, context: CallContext): Promise<void> => {
    contexts.push(context)
    await does?.(context)
  }
  classes.offer(Step, {
    go: served,
    hang: async (args, context) => {
      await served(args, context)
      await new Promise((_resolve, reject) =>
        context.signal.addEventListener('abort', () => reject(new Error('heard'))),
      )
    },
    async *items(args, context) {
      await served(args, context)
      for (let i = 0; ; i++) yield i
    },
  })
  const all = world({ env, classes, caller: { partition, epoch: partition.length } })
  return { all, step: await all.client.activate(Step), contexts }
}

async function ended(...places: readonly Place[]): Promise<void> {
  for (const { all } of places) await end(all)
}

describe('a call within a call', () => {
  test('gets what is left of the time, or less', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    const middle = await place(env, 'web', async (context) => {
      env.advance(200)
      await last.step.go({}, { within: context })
      await last.step.go({}, { within: context, deadline: 50 })
      await last.step.go({}, { within: context, deadline: 1000 })
      await last.step.go({}, context)
      await last.step.go({}, { deadline: 1000 })
    })
    await middle.step.go({}, { deadline: 500 })
    assert.deepEqual(
      last.contexts.map(({ deadline }) => deadline),
      [300, 50, 300, 300, 1000],
    )
    await ended(middle, last)
  })

  test('of which no time is left is not made', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    let inner: Promise<unknown> | undefined
    const middle = await place(env, 'web', (context) => {
      env.advance(500)
      inner = last.step.go({}, { within: context })
      inner.catch(() => {})
    })
    await assert.rejects(middle.step.go({}, { deadline: 500 }), code('DEADLINE'))
    await assert.rejects(inner as Promise<unknown>, code('DEADLINE'))
    assert.equal(last.contexts.length, 0)
    await ended(middle, last)
  })

  for (const how of ['is cancelled', 'runs out of time', 'loses its caller'] as const) {
    test(`ends when the outer one ${how}`, async () => {
      const env = new StillEnv()
      const last = await place(env, 'middle')
      const failures: unknown[] = []
      const middle = await place(env, 'web', async (context) => {
        await Promise.all([
          last.step.hang({}, { within: context }).catch((thrown: unknown) => failures.push(thrown)),
          last.step.hang({}, { within: context, deadline: 9000 }).catch((thrown: unknown) => failures.push(thrown)),
        ])
      })
      const stop = new AbortController()
      const outer = middle.step.go({}, { signal: stop.signal, deadline: 1000 })
      outer.catch(() => {})
      await settle()
      assert.equal(counts(last.all)['running'], 2)
      if (how === 'is cancelled') stop.abort()
      else if (how === 'runs out of time') env.advance(1000)
      else middle.all.links[0].close()
      await assert.rejects(outer)
      await settle()
      const expected = {
        'is cancelled': 'CANCELLED',
        'runs out of time': 'DEADLINE',
        'loses its caller': 'RESET',
      } as const
      assert.equal(failures.length, 2)
      for (const failure of failures) code(expected[how])(failure)
      assert.equal(counts(last.all)['running'], 0)
      await ended(middle, last)
    })
  }

  test('to a stream ends with it too', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    let read = 0
    const middle = await place(env, 'web', async (context) => {
      for await (const item of last.step.items({}, { within: context })) {
        read = item
        if (item === 10) env.advance(1000)
      }
    })
    await assert.rejects(middle.step.go({}, { deadline: 500, trace: TRACE }), code('DEADLINE'))
    await settle()
    assert.equal(read, 10)
    assert.equal(last.contexts[0]?.trace, TRACE)
    assert.equal(counts(last.all)['streams'], 0)
    await ended(middle, last)
  })

  test('keeps no listener and no timer when it is over', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    let listeners = 0
    const middle = await place(env, 'web', async (context) => {
      const { signal } = context
      const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners++
        add(...args)
      }
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners--
        remove(...args)
      }
      for (let i = 0; i < 10; i++) await last.step.go({}, { within: context })
    })
    await middle.step.go()
    await middle.step.go({}, { deadline: 100 })
    assert.deepEqual([listeners, env.timers, last.contexts.length], [0, 0, 20])
    await ended(middle, last)
  })
})

describe('the trace', () => {
  test('travels with a call and with those within it, and can be replaced', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    const middle = await place(env, 'web', async (context) => {
      await last.step.go({}, { within: context })
      await last.step.go({}, { within: context, trace: OTHER })
      await last.step.go()
    })
    await middle.step.go({}, { trace: TRACE })
    assert.equal(middle.contexts[0]?.trace, TRACE)
    assert.deepEqual(
      last.contexts.map(({ trace }) => trace),
      [TRACE, OTHER, undefined],
    )
    await ended(middle, last)
  })

  test('that is no traceparent is refused before anything is sent', async () => {
    const { all, step, contexts } = await place(new StillEnv(), 'web')
    for (const trace of [
      '',
      TRACE.toUpperCase(),
      TRACE.replace(/^00/, '01'),
      `${TRACE}-00`,
      TRACE.replace(/-[0-9a-f]{32}-/, `-${'0'.repeat(32)}-`),
      TRACE.replace(/-[0-9a-f]{16}-/, `-${'0'.repeat(16)}-`),
      7 as unknown as string,
    ]) {
      await assert.rejects(step.go({}, { trace }), code('INVALID_ARGUMENT', /traceparent/))
    }
    assert.equal(contexts.length, 0)
    await end(all)
  })
})

function shown(chain: readonly Hop[] | undefined): string {
  return (chain ?? []).map(({ partition, epoch, attested }) => `${partition}/${epoch}${attested ? '' : '?'}`).join(' ')
}

describe('the chain of callers', () => {
  test('is who calls, and what each hop says of those before it', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    const middle = await place(env, 'web', async (context) => {
      await last.step.go({}, { within: context })
      await last.step.go()
    })
    const first = await place(env, 'operator', (context) => middle.step.go({}, context))
    await first.step.go()
    assert.deepEqual(first.contexts[0]?.chain, [{ partition: 'operator', epoch: 8, attested: true }])
    assert.equal(shown(middle.contexts[0]?.chain), 'operator/8? web/3')
    assert.deepEqual(
      last.contexts.map(({ chain }) => shown(chain)),
      ['operator/8? web/3? middle/6', 'middle/6'],
    )
    assert.equal(last.contexts[0]?.caller.partition, 'middle')
    await ended(first, middle, last)
  })

  test('goes on through a reference that was passed on', async () => {
    const env = new StillEnv()
    const last = await place(env, 'middle')
    const classes = new ClassTable()
    classes.offer(Desk, { first: () => last.step })
    const passing = world({ env, classes, caller: { partition: 'web', epoch: 3 } })
    const passed = await (await passing.client.activate(Desk)).first()
    await passed.go({}, { trace: TRACE, deadline: 70 })
    const [context] = last.contexts
    assert.equal(shown(context?.chain), 'web/3? middle/6')
    assert.deepEqual([context?.trace, context?.deadline], [TRACE, 70])
    await end(passing)
    await ended(last)
  })

  test('keeps the nearest when it grows long', () => {
    const hops = Array.from({ length: 40 }, (_, i) => ({ partition: `p${i}`, epoch: i }))
    assert.equal(
      shown(decodeChain(encodeChain(hops))),
      shown(hops.slice(-15).map((hop) => ({ ...hop, attested: false }))),
    )
  })
})

describe('a hostile caller', () => {
  const chain = (bytes: Uint8Array): Extent => ({ id: EXTENT_CHAIN, data: bytes })

  test('claims to be somebody else: it is only claimed', async () => {
    const { all, contexts } = await place(new StillEnv(), 'web')
    const raw = new Raw(all)
    const { object } = await raw.activate(Step)
    const lie = chain(encodeChain([{ partition: 'host', epoch: 1 }]))
    await raw.bytes(Step.uuid, object.ipid, 3, raw.stub(Step, 0, {}, [lie]))
    assert.equal(shown(contexts[0]?.chain), 'host/1? raw/1')
    assert.equal(contexts[0]?.caller.partition, 'raw')
    await raw.close()
    await end(all)
  })

  test('sends chains and traces that are none: nothing is called', async () => {
    const { all, contexts } = await place(new StillEnv(), 'web')
    const raw = new Raw(all)
    const { object } = await raw.activate(Step)
    const good = encodeChain([{ partition: 'web', epoch: 1 }])
    const long = new Uint8Array(2 + 16 * 7)
    long[0] = 16
    const changed = (at: number, byte: number): Uint8Array => good.with(at, byte)
    const trace = (bytes: Uint8Array): Extent => ({ id: EXTENT_TRACE, data: bytes })
    for (const extent of [
      ...Array.from({ length: good.length }, (_, length) => chain(good.subarray(0, length))),
      chain(Uint8Array.from([...good, 1])),
      chain(Uint8Array.from([...good, 0, 0, 0, 0, 0, 0, 0, 0])),
      chain(long),
      chain(changed(0, 0xff)),
      chain(changed(6, 0xff)),
      // A name that a terminal would obey, one in capitals, and bytes that are no text.
      chain(changed(8, 0x1b)),
      chain(changed(8, 0x57)),
      chain(changed(8, 0xff)),
      ...[0, 24, 26, 100].map((length) => trace(new Uint8Array(length).fill(1))),
      trace(new Uint8Array(25)),
      trace(new Uint8Array(25).fill(1, 0, 16)),
      trace(new Uint8Array(25).fill(1, 16)),
    ]) {
      await assert.rejects(raw.bytes(Step.uuid, object.ipid, 3, raw.stub(Step, 0, {}, [extent])))
    }
    assert.equal(contexts.length, 0)
    await raw.bytes(Step.uuid, object.ipid, 3, raw.stub(Step, 0, {}, [chain(good), trace(new Uint8Array(25).fill(1))]))
    assert.equal(contexts.length, 1)
    await raw.close()
    await end(all)
  })
})
