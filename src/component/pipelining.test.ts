import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { type Client, contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, settle, world } from './harness.test.ts'
import { Chain, chained, type Chained, Link, LinkComponent, taken, unanswered } from './pipelining-chain.test.ts'
import { query } from './query.ts'

const empty = new Uint8Array(0)

describe('a call on a reference that is not there yet', () => {
  test('travels at once: a chain of five takes one round trip', async () => {
    const all = await chained()
    let name: Promise<string> | undefined
    const left = await unanswered(all, () => {
      const four = all.root.next({ how: 'a' }).next({ how: 'b' }).next({ how: 'c' }).next({ how: 'd' })
      name = four.name()
    })
    // All five are there and have run, and no answer has been seen.
    assert.deepEqual([left, all.chain.served.length, counts(all)['held'], counts(all)['pending']], [5, 5, 1, 5])
    all.links[1].release()
    assert.equal(await name, 'root/a/b/c/d')
    assert.equal(counts(all)['held'], 5)
    await end(all)
    assert.equal(all.chain.live, 0)
  })

  test('takes one round trip right after activation', async () => {
    const classes = new ClassTable()
    const chain = new Chain()
    classes.offer(Link, new LinkComponent(chain))
    const all = { ...world({ classes }), chain }
    const root = await all.client.activate(Link)
    // What is agreed on beside the activation may be answered after it.
    while (all.client.inspect().rpc.contexts.length < 3) await settle()
    let name: Promise<string> | undefined
    let items: Promise<unknown> | undefined
    const left = await unanswered(all, () => {
      const two = root.next({ how: 'a' }).next({ how: 'b' })
      name = two.name()
      items = two.items({ count: 1 }).next()
    })
    assert.deepEqual([left, chain.served], [4, ['root next a', 'root/a next b', 'root/a/b name', 'root/a/b items']])
    all.links[1].release()
    assert.equal(await name, 'root/a/b')
    assert.deepEqual(await items, { done: false, value: 'root/a/b 0' })
    await end(all)
  })

  test('goes through interfaces that were agreed on with the activation', async () => {
    const [Leaf, Far] = [
      contract('test.Leaf', { version: '1.0' }, { read: method({}, t.string) }),
      contract('test.Far', { version: '1.0' }, { unused: method({}, t.void) }),
    ]
    const Branch = contract('test.Branch', { version: '1.0' }, { leaf: method({}, t.ref(Leaf)) })
    const fields = t.array(t.ref(Far))
    const Tree = contract(
      'test.Tree',
      { version: '1.0' },
      { branch: method({}, t.ref(Branch)), all: method({}, fields) },
    )
    const classes = new ClassTable()
    classes.offer(Tree, { branch: () => ({ leaf: () => ({ read: () => 'green' }) }), all: () => [] })
    const all = world({ classes })
    const tree = await all.client.activate(Tree)
    const contexts = (): unknown[] => {
      return all.client.inspect().rpc.contexts.map(({ interface: name }) => name.split(' ')[0])
    }
    // Agreed on beside the activation, whose answer may come first.
    while (contexts().length < 4) await settle()
    assert.deepEqual(contexts().slice(1), [Tree.uuid, Branch.uuid, Leaf.uuid])
    let read: Promise<string> | undefined
    const left = await unanswered(all, () => {
      read = tree.branch().leaf().read()
    })
    assert.equal(left, 3)
    all.links[1].release()
    assert.equal(await read, 'green')
    await end(all)
  })

  test('a peer that does not know of them is asked for no interface beforehand', async () => {
    const all = await chained({ pipelined: false, activated: true })
    assert.equal(all.client.inspect().rpc.contexts.length, 1)
    await end(all)
  })

  test('a peer that lacks the class is asked once, and goes on', async () => {
    const classes = new ClassTable()
    classes.offer(Link, new LinkComponent(new Chain()))
    const all = world({ classes })
    const None = contract('test.None', { version: '1.0' }, { unused: method({}, t.void) })
    await assert.rejects(all.client.activate(None), code('NO_SUCH_CLASS'))
    assert.equal(await (await all.client.activate(Link)).name(), 'root')
    await end(all)
  })

  test('reaches the object when that is there, in the order of the calls', async () => {
    const all = await chained()
    const later = all.root.next({ how: 'wait' })
    const notes = Array.from({ length: 20 }, (_, i) => later.note({ text: `${i}`, data: empty }))
    const name = later.next({ how: 'on' }).name()
    await settle()
    assert.deepEqual([all.chain.served, counts(all)['running']], [['root next wait'], 23])
    all.chain.go[0]!()
    assert.deepEqual([await name, await Promise.all(notes)], ['root/wait/on', Array.from({ length: 20 }, () => 0)])
    const texts = Array.from({ length: 20 }, (_, i) => `${i}`)
    assert.deepEqual(all.chain.served.slice(1), [...texts, 'root/wait next on', 'root/wait/on name'])
    await end(all)
  })

  test('opens a stream at once', async () => {
    const all = await chained()
    const items: string[] = []
    let reading: Promise<void> | undefined
    const left = await unanswered(all, () => {
      reading = (async () => {
        for await (const item of all.root.next({ how: 'a' }).items({ count: 3 })) items.push(item)
      })()
    })
    assert.deepEqual([left, all.chain.served], [2, ['root next a', 'root/a items']])
    all.links[1].release()
    await reading
    assert.deepEqual(items, ['root/a 0', 'root/a 1', 'root/a 2'])
    await end(all)
  })

  test('lends references', async () => {
    const all = await chained()
    const link = new LinkComponent(new Chain(), 'mine')
    // The return channel is there from now on.
    await all.root.lend({ link })
    const left = await unanswered(all, () => {
      void all.root.next({ how: 'a' }).lend({ link })
    })
    assert.equal(left, 2)
    all.links[1].release()
    await settle()
    assert.equal(await all.chain.given!.name(), 'mine')
    await end(all)
  })

  test('a long one waits on this side, and later ones wait behind it', async () => {
    const all = await chained()
    const data = new Uint8Array(1024 * 1024).fill(1)
    const sums: Promise<number>[] = []
    const left = await unanswered(all, () => {
      const later = all.root.next({ how: 'a' })
      sums.push(later.note({ text: 'first', data: empty }))
      sums.push(later.note({ text: 'long', data }))
      sums.push(later.note({ text: 'behind', data: empty }))
    })
    assert.deepEqual([left, all.chain.served], [2, ['root next a', 'first']])
    all.links[1].release()
    assert.deepEqual(await Promise.all(sums), [0, data.length, 0])
    assert.deepEqual(all.chain.served.slice(1), ['first', 'long', 'behind'])
    await end(all)
  })

  test('behind a call that has not left whole waits on this side', async () => {
    const all = await chained()
    const sums: Promise<unknown>[] = []
    // Bulk to the same object: what gives the reference stays behind it, and small calls overtake both.
    const data = new Uint8Array(3 * 1024 * 1024)
    sums.push(all.root.note({ text: 'bulk', data }))
    const later = all.root.next({ how: 'a' })
    sums.push(later.note({ text: 'small', data: empty }))
    await Promise.all(sums)
    assert.deepEqual(all.chain.served, ['bulk', 'root next a', 'small'])
    await end(all)
  })

  test('a thousand of them, each on what the one before it gives', async () => {
    const all = await chained()
    let last: Client<typeof Link> | (Promise<unknown> & Client<typeof Link>) = all.root.next({ how: 'wait' })
    for (let i = 0; i < 1_000; i++) last = last.next({ how: '' })
    const name = last.name()
    await settle()
    assert.equal(counts(all)['running'], 1_002)
    all.chain.go[0]!()
    assert.equal(await name, `root/wait${'/'.repeat(1_000)}`)
    await end(all)
  })

  test('more than an association takes at a time are made all the same', async () => {
    const all = await chained({ client: { rpc: { calls: 4 } }, server: { rpc: { calls: 4 } } })
    const names = Array.from({ length: 20 }, (_, i) =>
      all.root
        .next({ how: `${i}` })
        .next({ how: '' })
        .name(),
    )
    assert.deepEqual(
      await Promise.all(names),
      names.map((_, i) => `root/${i}/`),
    )
    await end(all)
  })
})

for (const pipelined of [true, false]) {
  describe(`with a peer that ${pipelined ? 'knows' : 'does not know'} of pipelining`, () => {
    const made = (settings: Parameters<typeof chained>[0] = {}): Promise<Chained> => chained({ pipelined, ...settings })

    test('a promise of a proxy is a promise', async () => {
      const all = await made()
      const later = all.root.next({ how: 'a' })
      assert.ok(later instanceof Promise && Object.prototype.toString.call(later) === '[object Promise]')
      const proxy = await later
      assert.equal(await Promise.race([later, Promise.resolve()]), proxy)
      assert.deepEqual([await later.name(), await proxy.name()], ['root/a', 'root/a'])
      assert.equal(await later.then((each) => each.name()), 'root/a')
      assert.equal(Object.getPrototypeOf(later.finally(() => {})), Promise.prototype)
      await end(all)
    })

    test('calls through it give what they give through the proxy', async () => {
      const all = await made()
      const { root } = all
      assert.equal(await root.next({ how: 'a' }).next({ how: 'b' }).name(), 'root/a/b')
      assert.equal(await root.next({ how: 'a' }).note({ text: 'n', data: Uint8Array.of(1, 2) }), 3)
      assert.equal(await root.maybe({ how: 'some' }).next({ how: 'x' }).name(), 'some/x')
      const items: string[] = []
      for await (const item of root.next({ how: 'a' }).items({ count: 2 })) items.push(item)
      assert.deepEqual(items, ['root/a 0', 'root/a 1'])
      assert.equal(await (await query(root.next({ how: 'q' }), Link)).name(), 'root/q')
      await end(all)
    })

    test('all that follow a call which fails fail like it, and nothing but that is unhandled', async () => {
      const all = await made()
      const stray: unknown[] = []
      const note = (reason: unknown): unknown => stray.push(reason)
      process.on('unhandledRejection', note)
      const fails = all.root.next({ how: 'a' }).next({ how: 'fail' })
      const on = fails.next({ how: 'b' })
      const reading = fails.items({ count: 1 })[Symbol.asyncIterator]().next()
      const all_ = await Promise.allSettled([on.name(), on.next({ how: 'c' }).name(), fails.name(), reading])
      await settle()
      process.off('unhandledRejection', note)
      for (const each of all_) {
        assert.ok(each.status === 'rejected')
        assert.ok(code('FAULT', /test\.Link\.next failed: Error EEND: no further/)(each.reason))
        assert.equal((each.reason as BusbarError).remote?.code, 'EEND')
      }
      assert.deepEqual([stray, all.chain.served], [[], ['root next a', 'root/a next fail']])
      // Later calls on what has failed are not made at all.
      const before = taken(all)
      await assert.rejects(fails.name(), code('FAULT'))
      assert.equal(taken(all), before)
      await end(all)
    })

    test('a call that gives nothing', async () => {
      const all = await made()
      assert.equal(await all.root.maybe({ how: 'none' }), undefined)
      await assert.rejects(all.root.maybe({ how: 'none' }).name(), code('NO_SUCH_OBJECT', /gave none/))
      await assert.rejects(all.root.maybe({ how: 'none' }).next({ how: 'a' }).name(), code('NO_SUCH_OBJECT'))
      await end(all)
    })

    test('a call that is cancelled, or out of time, takes all that follow it along at once', async () => {
      for (const how of ['cancelled', 'late'] as const) {
        const all = await made()
        const stop = new AbortController()
        const never = all.root.next({ how: 'wait' }, { signal: stop.signal, deadline: 50 })
        const calls = [never.name(), never.next({ how: 'a' }).name(), never.items({ count: 1 }).next()]
        for (const each of calls) each.catch(() => {})
        await settle()
        all.links[1].fence()
        if (how === 'cancelled') stop.abort()
        else all.env.advance(50)
        // The other side has not said a word.
        for (const each of calls) await assert.rejects(each, code(how === 'cancelled' ? 'CANCELLED' : 'DEADLINE'))
        all.links[1].release()
        await settle()
        // The component does not heed its signal; what was to follow it is refused all the same.
        assert.deepEqual([all.chain.served, counts(all)['running']], [['root next wait'], 1])
        for (const go of all.chain.go) go()
        await settle()
        assert.deepEqual(all.chain.disposed, ['root/wait'])
        await end(all)
      }
    })

    test('one of those that follow is cancelled, or out of time, by itself', async () => {
      const all = await made()
      const stop = new AbortController()
      const later = all.root.next({ how: 'wait' })
      const cancelled = later.note({ text: 'cancelled', data: empty }, { signal: stop.signal })
      const late = later.note({ text: 'late', data: empty }, { deadline: 50 })
      const gone = later.note({ text: 'gone', data: empty }, { signal: AbortSignal.abort() })
      const stays = later.note({ text: 'stays', data: empty }, { deadline: 5_000 })
      for (const each of [cancelled, late, gone]) each.catch(() => {})
      await settle()
      stop.abort()
      all.env.advance(50)
      for (const each of [cancelled, gone]) await assert.rejects(each, code('CANCELLED'))
      await assert.rejects(late, code('DEADLINE'))
      await settle()
      all.chain.go[0]!()
      assert.equal(await stays, 0)
      assert.deepEqual(all.chain.served.slice(1), ['stays'])
      await end(all)
    })

    test('what is released before it is there is released when it is, after the calls that were made on it', async () => {
      const all = await made()
      let name: Promise<string>
      {
        using later = all.root.next({ how: 'wait' })
        name = later.name()
      }
      const later = all.root.next({ how: 'wait' })
      const released = later[Symbol.asyncDispose]()
      await assert.rejects(later.name(), code('RELEASED', /released/))
      await settle()
      assert.deepEqual([all.chain.disposed, counts(all)['held']], [[], 1])
      for (const go of all.chain.go) go()
      await released
      assert.equal(await name, 'root/wait')
      await settle()
      assert.deepEqual(
        [all.chain.disposed, counts(all)['held'], counts(all)['given']],
        [['root/wait', 'root/wait'], 1, 1],
      )
      await assert.rejects((await later).name(), code('RELEASED'))
      // What has failed, and what gave nothing, has nothing to release.
      await all.root.next({ how: 'fail' })[Symbol.asyncDispose]()
      await all.root.maybe({ how: 'none' })[Symbol.asyncDispose]()
      await end(all)
    })

    test('whoever awaits it and who does not have the same proxy', async () => {
      const all = await made()
      const later = all.root.next({ how: 'a' })
      const proxy = await later
      proxy[Symbol.dispose]()
      await assert.rejects(later.name(), code('RELEASED'))
      await settle()
      assert.deepEqual(all.chain.disposed, ['root/a'])
      await end(all)
    })

    test('what cannot be packaged is refused at once, and what comes after it goes on', async () => {
      const all = await made()
      const later = all.root.next({ how: 'wait' })
      const wrong = later.next({ how: 7 as unknown as string })
      await assert.rejects(wrong, code('BAD_VALUE'))
      await assert.rejects(later.note({ text: 'x', data: empty }, { deadline: -1 }), code('INVALID_ARGUMENT'))
      const unknown = later as unknown as { missing(): Promise<unknown> }
      await assert.rejects(unknown.missing(), code('NOT_IN_CONTRACT', /nothing was sent/))
      const name = later.name()
      await settle()
      all.chain.go[0]!()
      assert.equal(await name, 'root/wait')
      await end(all)
    })

    test('arguments are what they were when the call was made', async () => {
      const all = await made()
      const later = all.root.next({ how: 'wait' })
      const data = Uint8Array.of(1, 2, 3)
      const sum = later.note({ text: '', data })
      data.fill(100)
      await settle()
      all.chain.go[0]!()
      assert.equal(await sum, 6)
      await end(all)
    })

    test('it is no object: it can be awaited and passed on, and not passed on before', async () => {
      const all = await made()
      const later = all.root.next({ how: 'a' })
      await assert.rejects(all.root.lend({ link: later }), code('BAD_VALUE', /await it first/))
      assert.equal(await all.root.lend({ link: await later }), 'root')
      await end(all)
    })

    test('an object of the caller that comes home is called there', async () => {
      const all = await made()
      const mine = new LinkComponent(new Chain(), 'mine')
      await all.root.lend({ link: mine })
      assert.equal(await all.root.back().name(), 'mine')
      assert.equal(await all.root.back().next({ how: 'x' }).name(), 'mine/x')
      assert.equal(await all.root.back(), mine)
      await end(all)
    })

    test('the pipe dies: all settle at once with its reason', async () => {
      const all = await made()
      const later = all.root.next({ how: 'wait' })
      const calls = [later.name(), later.next({ how: 'a' }).name(), later.items({ count: 1 }).next(), later]
      for (const each of calls as Promise<unknown>[]) each.catch(() => {})
      await settle()
      all.links[0].close(new BusbarError('PEER_DIED', 'partition killed'))
      for (const each of calls as Promise<unknown>[]) await assert.rejects(each, code('PEER_DIED', /partition killed/))
      await all.server.closed
      for (const go of all.chain.go) go()
      await end(all)
      assert.deepEqual([all.chain.served, all.chain.live], [['root next wait'], 0])
    })

    test('calls reach each object in the order they were made, whatever their size and whenever', async () => {
      const all = await made()
      let seed = 20_261_123
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
        return seed % below
      }
      for (let round = 0; round < 40; round++) {
        all.chain.served.splice(0)
        const later = all.root.next({ how: random(2) === 0 ? 'wait' : 'a' })
        const wanted: string[] = []
        const notes: Promise<unknown>[] = []
        for (let i = 0; i < 12; i++) {
          const data = new Uint8Array([0, 100, 40_000, 100_000][random(4)]!)
          wanted.push(`${i}`)
          notes.push(later.note({ text: `${i}`, data }, random(3) === 0 ? { deadline: 60_000 } : undefined))
          if (random(4) === 0) await settle()
          if (random(6) === 0) all.chain.go.shift()?.()
        }
        await settle()
        all.chain.go.shift()?.()
        await Promise.all(notes)
        assert.deepEqual(all.chain.served.slice(1), wanted, `round ${round}`)
        later[Symbol.dispose]()
      }
      await end(all)
    })
  })
}
