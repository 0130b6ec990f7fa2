import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader, Writer } from '../../bytes/index.ts'
import { StillEnv } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import { RpcClient } from '../association/client.ts'
import { linkPair } from '../association/harness.test.ts'
import type { IncomingCall } from '../association/incoming-call.ts'
import { RpcServer } from '../association/server.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import { FaultError } from '../faults.ts'
import { plainClient } from './client.ts'
import { type PlainImplementation, plainInterface } from './interface.ts'

const { idl } = t

const Counter = contract(
  'Counter',
  { version: '2.3', uuid: '0f5b6d2e-1111-4222-8333-444455556666' },
  {
    add: method({ a: t.uint32, b: t.uint32 }, idl.out({}, t.uint32)),
    fill: method({ room: t.uint32 }, idl.out({ items: idl.array(t.uint16, { size: 'room', length: true }) }), {
      opnum: 4,
    }),
    wait: method({}, t.void),
    fail: method({ status: t.uint32 }, t.void, { opnum: 9 }),
    who: method({}, t.string),
  },
)

const stub = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function implementation(calls: IncomingCall[] = []): PlainImplementation<typeof Counter> {
  return {
    add: ({ a, b }) => ({ result: a + b }),
    fill: ({ room }) => ({ items: [1, 2, 3].slice(0, room) }),
    wait: (_, call) =>
      new Promise((_, reject) => {
        calls.push(call)
        call.signal.addEventListener('abort', () => reject(call.signal.reason))
      }),
    fail: ({ status }) => {
      throw new FaultError(status, 'FAULT', 'as asked')
    },
    who: (_, call) => call.object ?? 'nobody',
  }
}

async function connected(calls: IncomingCall[] = []) {
  const [mine, theirs] = linkPair()
  const served = plainInterface(Counter, implementation(calls))
  const env = new StillEnv()
  new RpcServer(new RpcAccess(theirs), { env, lookup: ({ uuid }) => (uuid === served.id.uuid ? served : undefined) })
  const rpc = new RpcClient(new RpcAccess(mine), { env })
  return { rpc, counter: await plainClient(rpc, Counter) }
}

describe('an interface by plain calls', () => {
  const served = plainInterface(Counter, implementation())
  const dispatch = (opnum: number, bytes: string, little = true): string => {
    let answer: Writer | undefined
    const call = {
      opnum,
      arguments: () => new Reader(stub(bytes), little),
      results: () => new Writer(),
      answer(results) {
        answer = results
      },
      discard() {},
      fail(thrown) {
        throw thrown
      },
    } as Partial<IncomingCall> as IncomingCall
    void served.dispatch(call)
    assert.ok(answer !== undefined)
    return hexOf(answer.finish())
  }

  test('its own UUID and version, opnums with holes', () => {
    assert.deepEqual(served.id, { uuid: Counter.uuid, major: 2, minor: 3 })
    assert.equal(served.opnums, 11)
    for (const hole of [1, 3, 6, 8]) assert.throws(() => dispatch(hole, ''), { code: 'NOT_IN_CONTRACT' })
  })

  test('nothing in front of the arguments and behind the results, in both byte orders', () => {
    assert.equal(dispatch(0, '02000000 03000000'), '05000000')
    assert.equal(dispatch(0, '00000002 00000003', false), '05000000')
  })

  const ADD = '02000000 03000000 '
  const SIGNATURE = '8ae3137102f43671 '
  /** Features, context and header, as Windows has them. */
  const BITS = '0100 0400 01000000 '
  const CONTEXT = `0200 2800 ${'11'.repeat(40)} `
  const HEADER = `0340 1000 ${'22'.repeat(16)}`

  test('behind the arguments padding is taken, and a verification trailer', () => {
    assert.equal(dispatch(0, `${ADD}ffffffff`), '05000000')
    for (const trailer of [
      SIGNATURE + BITS + CONTEXT + HEADER,
      `${SIGNATURE}0140 0400 00000000`,
      `${SIGNATURE}${HEADER.replace('0340', '03c0')}`,
      // One that nobody need understand.
      `${SIGNATURE}0900 0200 aabb 0140 0400 00000000`,
    ]) {
      assert.equal(dispatch(0, ADD + trailer), '05000000', trailer)
      assert.equal(dispatch(0, `00000002 00000003${trailer}`, false), '05000000', trailer)
    }
  })

  test('nothing else is: neither in front of the padding that a trailer needs, nor behind it', () => {
    const wrong = [
      'ff',
      'ffffffffffffff',
      'ffffffffffffffff',
      '00'.repeat(1_000),
      SIGNATURE,
      SIGNATURE + BITS + CONTEXT,
      `${SIGNATURE + BITS + HEADER}00`,
      `ffffffff${SIGNATURE}${HEADER}`,
      `8ae3137102f43670${HEADER}`,
      // Longer than it is, an unknown command that must be understood, too many of them.
      `${SIGNATURE}0140 0500 00000000`,
      `${SIGNATURE}0940 ffff 00000000`,
      `${SIGNATURE}09c0 0400 00000000`,
      `${SIGNATURE}${BITS.repeat(130)}${HEADER}`,
    ]
    for (const each of wrong) assert.throws(() => dispatch(0, ADD + each), { code: 'MALFORMED' }, each)
    assert.throws(() => dispatch(0, '02000000 030000'), { code: 'MALFORMED' })
  })

  test('anything is, where that is asked for', () => {
    const lax = plainInterface(Counter, implementation(), { ignoreTrailing: true })
    const call = {
      opnum: 0,
      arguments: () => new Reader(new Uint8Array(1_001)),
      results: () => new Writer(),
      answer() {},
    } as Partial<IncomingCall> as IncomingCall
    assert.doesNotThrow(() => lax.dispatch(call))
    assert.throws(() => served.dispatch(call), { code: 'MALFORMED' })
  })

  test('an argument that ends between two alignments', () => {
    const said: string[] = []
    const Text = contract('Text', { version: '1.0' }, { say: method({ text: t.string }, t.void) })
    const { dispatch: say } = plainInterface(Text, { say: ({ text }) => void said.push(text) })
    const send = (bytes: string): unknown =>
      say({
        opnum: 0,
        arguments: () => new Reader(stub(bytes), true),
        results: () => new Writer(),
        answer() {},
      } as Partial<IncomingCall> as IncomingCall)
    // A counted NUL behind `a` and `ab`: the arguments end at 16 and at 18.
    const [a, ab] = ['02000000 00000000 02000000 61000000', '03000000 00000000 03000000 610062000000']
    for (const rest of ['', `${SIGNATURE}${HEADER}`, 'ffffffff']) send(a + rest)
    for (const rest of ['', 'ffff', 'ffffffffffff', `0000${SIGNATURE}${HEADER}`]) send(ab + rest)
    assert.deepEqual(said, ['a', 'a', 'a', 'ab', 'ab', 'ab', 'ab'])
    for (const rest of ['ff', 'ffffff', 'ffffffff', `${SIGNATURE}${HEADER}`]) {
      assert.throws(() => send(ab + rest), { code: 'MALFORMED' }, rest)
    }
  })

  test('the size of a result may stand among the arguments', () => {
    assert.equal(dispatch(4, '07000000'), '070000000000000003000000010002000300')
  })

  test('contracts that plain calls cannot carry', () => {
    const make = (methods: Parameters<typeof contract>[2]): unknown =>
      plainInterface(contract('Bad', { version: '1.0' }, methods), {} as never)
    const one = method({}, t.void)
    assert.throws(() => make({ a: method({}, t.ref(Counter)) }), { code: 'INVALID_ARGUMENT', message: /references/ })
    assert.throws(() => make({ a: method({}, t.stream(t.uint8)) }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => make({ a: one, b: method({}, t.void, { opnum: 0 }) }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => make({ a: method({}, t.void, { opnum: 65_536 }) }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => make({ a: method({}, t.void, { opnum: 1.5 }) }), { code: 'INVALID_ARGUMENT' })
  })
})

describe('a client by plain calls', () => {
  test('calls, with an object and without', async () => {
    const { rpc, counter } = await connected()
    assert.deepEqual(await counter.add({ a: 2, b: 40 }), { result: 42 })
    assert.deepEqual(await counter.fill({ room: 2 }), { items: [1, 2] })
    assert.equal(await counter.who(), 'nobody')
    const object = 'a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f'
    assert.equal(await counter.who({}, { object }), object)
    rpc.close()
  })

  test('long and short bytes arrive as they were, whichever of them is copied', async () => {
    const Mixed = contract(
      'Mixed',
      { version: '1.0' },
      { same: method({ a: t.bytes, b: t.bytes, c: t.bytes }, t.bool) },
    )
    const all = (bytes: Uint8Array, length: number, value: number): boolean =>
      bytes.length === length && bytes.every((byte) => byte === value)
    const lengths = [20_000, 3_000, 17_000] as const
    const served = plainInterface(Mixed, {
      same: ({ a, b, c }) => [a, b, c].every((bytes, i) => all(bytes, lengths[i] as number, i + 1)),
    })
    const [mine, theirs] = linkPair()
    const env = new StillEnv()
    new RpcServer(new RpcAccess(theirs), { env, lookup: () => served })
    const rpc = new RpcClient(new RpcAccess(mine), { env })
    const mixed = await plainClient(rpc, Mixed)
    const [a, b, c] = lengths.map((length, i) => new Uint8Array(length).fill(i + 1)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    for (let i = 0; i < 200; i++) assert.ok(await mixed.same({ a, b, c }), `call ${i}`)
    rpc.close()
  })

  test('faults come back with their number and their code', async () => {
    const { rpc, counter } = await connected()
    for (const [status, code] of [
      [0x1c00_001a, 'NO_SUCH_OBJECT'],
      [0x0000_0005, 'DENIED'],
      [0xdead_beef, 'FAULT'],
    ] as const) {
      await assert.rejects(counter.fail({ status }), (thrown) => {
        assert.ok(thrown instanceof FaultError)
        assert.deepEqual([thrown.status, thrown.code], [status, code])
        return thrown.message.startsWith('Counter.fail: ')
      })
    }
    rpc.close()
  })

  test('arguments that do not fit are not sent, a signal cancels', async () => {
    const calls: IncomingCall[] = []
    const { rpc, counter } = await connected(calls)
    await assert.rejects(counter.add({ a: -1, b: 0 }), { code: 'BAD_VALUE' })
    assert.equal(rpc.inspect().calls.made, 0)
    const controller = new AbortController()
    const waiting = counter.wait({}, { signal: controller.signal })
    await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await assert.rejects(waiting, { code: 'CANCELLED' })
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(calls[0]?.cancelled)
    rpc.close()
  })

  test('an interface that the server lacks, and an answer that does not fit', async () => {
    const { rpc } = await connected()
    const Other = contract('Other', { version: '1.0' }, { a: method({}, t.void) })
    await assert.rejects(plainClient(rpc, Other), { code: 'NO_SUCH_INTERFACE' })
    const narrow = contract(
      'Counter',
      { version: '2.3', uuid: Counter.uuid },
      {
        add: method({ a: t.uint32, b: t.uint32 }, idl.out({}, t.uint16)),
      },
    )
    const wrong = await plainClient(rpc, narrow)
    await assert.rejects(wrong.add({ a: 1, b: 2 }), { code: 'MALFORMED', message: /Counter\.add/ })
    rpc.close()
  })
})
