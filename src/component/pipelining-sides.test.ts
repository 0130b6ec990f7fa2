/** Who else sees a pipelined call: hooks on both sides, third parties, callbacks, and a peer that keeps to no rule. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import type { Client } from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import type { Hooks } from './hooks.ts'
import type { ObjRef } from './objref.ts'
import { Chain, chained, type Chained, Link, LinkComponent, taken, unanswered } from './pipelining-chain.test.ts'
import { promisedIpid } from './promised-ipid.ts'
import { Raw } from './raw.test.ts'
import { REM_UNKNOWN } from './rem-unknown.ts'

const empty = new Uint8Array(0)
const NO_HOOKS: Hooks = { calls: [], serves: [], authorize: [] }

describe('hooks around pipelined calls', () => {
  test('interceptors of both sides see each call; what the caller’s let through at once travels at once', async () => {
    const [calls, serves]: [string[], string[]] = [[], []]
    const all = await chained({
      clientHooks: {
        ...NO_HOOKS,
        calls: [
          (call, next) => {
            calls.push(call.method)
            return next(call)
          },
        ],
      },
      serverHooks: {
        ...NO_HOOKS,
        serves: [
          (call, next) => {
            serves.push(call.method)
            return next(call)
          },
        ],
      },
    })
    calls.splice(0)
    serves.splice(0)
    let name: Promise<string> | undefined
    const left = await unanswered(all, () => {
      name = all.root.next({ how: 'a' }).next({ how: 'b' }).name()
    })
    assert.deepEqual([left, calls, serves], [3, ['next', 'next', 'name'], ['next', 'next', 'name']])
    all.links[1].release()
    assert.equal(await name, 'root/a/b')
    await end(all)
  })

  test('one that makes something else of the result is heeded', async () => {
    const all = await chained({
      clientHooks: {
        ...NO_HOOKS,
        calls: [
          async (call, next) => {
            const made = await next(call)
            return call.method === 'next' ? { name: () => 'another' } : made
          },
        ],
      },
    })
    assert.equal(await all.root.next({ how: 'a' }).name(), 'another')
    await assert.rejects(all.root.next({ how: 'a' }).back(), code('BAD_VALUE'))
    await end(all)
  })

  test('calls that waited for what it made leave neither timer nor listener', async () => {
    const home = { name: () => 'home' } as unknown as LinkComponent
    const all = await chained({
      clientHooks: {
        ...NO_HOOKS,
        calls: [async (call, next) => (call.method === 'back' ? home : await next(call))],
      },
    })
    const { signal } = new AbortController()
    const options = { signal, deadline: 1_000 }
    const link = new LinkComponent(all.chain)
    assert.equal(await all.root.next({ how: 'a' }).lend({ link }, options), 'root/a')
    assert.equal(await all.root.back({}).name({}, options), 'home')
    const released = all.root.next({ how: 'a' })
    void released.then((proxy) => proxy[Symbol.dispose]())
    await assert.rejects(released.name({}, options), code('RELEASED'))
    assert.deepEqual([all.env.timers, getEventListeners(signal, 'abort').length], [0, 0])
    await end(all)
  })

  for (const how of ['at once', 'later'] as const) {
    test(`authorization that says no ${how}`, async () => {
      const asked: string[] = []
      const all = await chained({
        serverHooks: {
          ...NO_HOOKS,
          authorize: [
            (_, { method }) => {
              asked.push(method)
              const allowed = method !== 'maybe' && method !== 'note'
              return how === 'at once' ? allowed : Promise.resolve(allowed)
            },
          ],
        },
      })
      const denied = all.root.maybe({ how: 'some' })
      const next = all.root.next({ how: 'a' })
      const [one, two, three] = [denied.name(), next.note({ text: '', data: empty }), next.name()]
      for (const each of [one, two]) await assert.rejects(each, code('DENIED'))
      assert.equal(await three, 'root/a')
      await assert.rejects(denied, code('DENIED', /maybe/))
      // What is denied gives nothing to ask for.
      assert.deepEqual(asked.slice(1).sort(), ['maybe', 'name', 'next', 'note'])
      await end(all)
    })
  }
})

describe('pipelined calls and other partitions', () => {
  test('a reference to an object of a third party: calls go on to it', async () => {
    const third = await chained()
    const classes = new ClassTable()
    class Between extends LinkComponent {
      override next(): LinkComponent {
        return third.root.next({ how: 'there' }) as unknown as LinkComponent
      }
    }
    classes.offer(Link, () => new Between(new Chain()))
    const all = world({ classes, env: third.env })
    const root = await all.client.activate(Link)
    await root.name()
    let name: Promise<string> | undefined
    const left = await unanswered(all, () => {
      name = root.next({ how: '' }).next({ how: 'on' }).name()
    })
    assert.equal(left, 3)
    all.links[1].release()
    assert.equal(await name, 'root/there/on')
    const passedOn = root.next({ how: '' })
    await passedOn
    third.links[0].close()
    await assert.rejects(passedOn.next({ how: '' }).name(), code('PEER_DIED'))
    await end(all)
    await third.server.closed
  })

  test('calls back are pipelined as well', async () => {
    const all = await chained()
    const chain = new Chain()
    await all.root.lend({ link: new LinkComponent(chain, 'mine') })
    const mine = all.chain.given as Client<typeof Link>
    await mine.name()
    chain.served.splice(0)
    // What the caller answers on the return channel.
    const [answers] = all.returned[0]!
    answers.fence()
    const name = mine.next({ how: 'a' }).next({ how: 'b' }).name()
    await settle()
    assert.deepEqual(chain.served, ['mine next a', 'mine/a next b', 'mine/a/b name'])
    answers.release()
    assert.equal(await name, 'mine/a/b')
    await end(all)
  })
})

/** A caller that names what it likes. */
async function raw(all: Chained, limits: ConstructorParameters<typeof Raw>[1] = {}) {
  const made = new Raw(all, { pipelines: true, ...limits })
  const { object } = await made.activate(Link)
  const numbered = (call: number, method: number, args: unknown): Uint8Array => {
    const stub = made.stub(Link, method, args)
    new DataView(stub.buffer, stub.byteOffset).setUint32(12, call, true)
    return stub
  }
  const send = (ipid: string, call: number, method: number, args: unknown) =>
    made.bytes(Link.uuid, ipid, 3 + method, numbered(call, method, args))
  return {
    made,
    root: object.ipid,
    /** `next`, which gives what the number names. */
    next: (ipid: string, call: number, how = 'a') => send(ipid, call, 0, { how }),
    name: (ipid: string, call = 0xffff_ffff) => send(ipid, call, 2, {}),
    note: (ipid: string, data: Uint8Array) => send(ipid, 0xffff_ffff, 3, { text: 'note', data }),
  }
}

describe('a caller that names what it likes', () => {
  test('reaches what its own calls gave, and nothing else', async () => {
    const all = await chained()
    const [one, other] = [await raw(all), await raw(all)]
    const lost = code('NO_SUCH_OBJECT')
    await one.next(one.root, 7)
    await one.name(promisedIpid(7))
    // Never made; itself; another association’s; a number of a call that gave no reference; nearly a name.
    await assert.rejects(one.name(promisedIpid(8)), lost)
    await assert.rejects(one.next(promisedIpid(9), 9), lost)
    await assert.rejects(other.name(promisedIpid(7)), lost)
    await one.name(one.root, 10)
    await assert.rejects(one.name(promisedIpid(10)), lost)
    await assert.rejects(one.name(promisedIpid(7).replace('-5', '-4')), lost)
    // Through an interface that is not that of the object.
    const activation = one.made.stub(ACTIVATOR, 0, { classId: Link.uuid, interfaceId: Link.uuid })
    await assert.rejects(one.made.bytes(ACTIVATOR.uuid, promisedIpid(7), 3, activation), lost)
    // A method that is not there.
    await assert.rejects(one.made.bytes(Link.uuid, promisedIpid(7), 99, activation), code('NOT_IN_CONTRACT'))
    for (const each of [one, other]) await each.made.close()
    await end(all)
  })

  test('without having agreed on it reaches nothing by such a name', async () => {
    const all = await chained()
    const one = await raw(all, { pipelines: false })
    await one.next(one.root, 7)
    await assert.rejects(one.name(promisedIpid(7)), code('NO_SUCH_OBJECT'))
    await one.made.close()
    await end(all)
  })

  test('a number that is given twice names the first call while that runs, and then the last', async () => {
    const all = await chained()
    const one = await raw(all)
    const first = one.next(one.root, 7, 'wait')
    await settle()
    await one.next(one.root, 7, 'second')
    const waiting = one.name(promisedIpid(7))
    await settle()
    assert.deepEqual(all.chain.served, ['root next wait', 'root next second'])
    all.chain.go[0]!()
    await Promise.all([first, waiting])
    assert.equal(all.chain.served.at(-1), 'root/wait name')
    await one.next(one.root, 7, 'third')
    await one.name(promisedIpid(7))
    assert.equal(all.chain.served.at(-1), 'root/third name')
    await one.made.close()
    await end(all)
  })

  test('what was released has no name any more', async () => {
    const all = await chained()
    const one = await raw(all)
    const { ipid } = (await one.made.call(Link, one.root, 0, { how: 'a' })) as ObjRef
    // Its number is one of the first.
    const found: number[] = []
    for (let number = 1; number < 8; number++) {
      await one.name(promisedIpid(number)).then(
        () => found.push(number),
        () => {},
      )
    }
    assert.equal(found.length, 1)
    const { remUnknown } = (await one.made.call(ACTIVATOR, ACTIVATOR_IPID, 0, {
      classId: Link.uuid,
      interfaceId: Link.uuid,
    })) as { remUnknown: string }
    await one.made.call(REM_UNKNOWN, remUnknown, 2, [{ ipid, references: 1 }])
    await assert.rejects(one.name(promisedIpid(found[0]!)), code('NO_SUCH_OBJECT'))
    await one.made.close()
    await end(all)
  })

  test('only so many calls are remembered by number as an association takes at a time', async () => {
    const all = await chained()
    const one = await raw(all, { limits: { rpc: { calls: 4 } } })
    for (let number = 1; number <= 5; number++) await one.next(one.root, number)
    await assert.rejects(one.name(promisedIpid(1)), code('NO_SUCH_OBJECT'))
    for (let number = 2; number <= 5; number++) await one.name(promisedIpid(number))
    await one.made.close()
    await end(all)
  })

  test('calls that wait count as calls that run, and so do their arguments', async () => {
    const all = await chained()
    const calls = await raw(all, { limits: { peerCalls: 3 } })
    const gives = calls.next(calls.root, 7, 'wait')
    const waiting = [calls.name(promisedIpid(7)), calls.name(promisedIpid(7))]
    await settle()
    await assert.rejects(calls.name(promisedIpid(7)), code('BUSY'))
    all.chain.go[0]!()
    await Promise.all([gives, ...waiting])
    await calls.name(promisedIpid(7))

    const bytes = await raw(all, { limits: { peerBytes: 10_000 } })
    const giving = bytes.next(bytes.root, 7, 'wait')
    const long = bytes.note(promisedIpid(7), new Uint8Array(8_000))
    await settle()
    await assert.rejects(bytes.note(promisedIpid(7), new Uint8Array(8_000)), code('BUSY'))
    all.chain.go[1]!()
    await Promise.all([giving, long])
    await bytes.note(promisedIpid(7), new Uint8Array(8_000))
    for (const each of [calls, bytes]) {
      assert.equal(each.made.server.inspect().rpc.calls.running, 0)
      await each.made.close()
    }
    await end(all)
  })

  test('goes away while calls wait: none of them is made', async () => {
    const all = await chained()
    const one = await raw(all)
    const calls = [one.next(one.root, 7, 'wait'), one.next(promisedIpid(7), 8), one.name(promisedIpid(8))]
    for (const each of calls) each.catch(() => {})
    await settle()
    assert.equal(one.made.server.inspect().rpc.calls.running, 3)
    await one.made.close()
    all.chain.go[0]!()
    await settle()
    assert.deepEqual(all.chain.served, ['root next wait'])
    await end(all)
    assert.equal(all.chain.live, 0)
  })

  test('stubs that are too short to have a number', async () => {
    const all = await chained()
    const one = await raw(all)
    const gives = one.next(one.root, 7, 'wait')
    await settle()
    for (const ipid of [one.root, promisedIpid(7)]) {
      const short = one.made.bytes(Link.uuid, ipid, 3, Uint8Array.of(5, 0, 7, 0, 0, 0, 0, 0))
      await assert.rejects(short, code('BAD_VALUE'))
    }
    all.chain.go[0]!()
    await gives
    assert.equal(taken({ server: one.made.server }) > 3, true)
    await one.made.close()
    assert.equal(counts(all)['running'], 0)
    await end(all)
  })
})
