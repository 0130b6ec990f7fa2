import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { describe, test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { code, counts, end, File, FileStore, settle, Store, world } from './harness.test.ts'

describe('calls', () => {
  test('a component is activated and called', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    assert.deepEqual(await store.stat({ path: '/report.pdf' }), { size: 11, modified: new Date(1000) })
    assert.deepEqual(all.store.contexts[0]?.caller, { partition: 'web', epoch: 3 })
    assert.equal(all.store.contexts[0]?.deadline, undefined)
    await end(all)
  })

  test('many calls at once, each with its own answer', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const sizes = await Promise.all(Array.from({ length: 200 }, (_, i) => store.stat({ path: 'x'.repeat(i) })))
    assert.deepEqual(
      sizes.map(({ size }) => size),
      Array.from({ length: 200 }, (_, i) => i),
    )
    await end(all)
  })

  test('arguments are packaged when the call is made', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const args = { path: 'ab' }
    const pending = store.stat(args)
    args.path = 'changed'
    assert.equal((await pending).size, 2)
    await end(all)
  })

  test('values that do not fit are refused on the side that has them', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const before = all.store.calls
    await assert.rejects(
      store.stat({ path: 7 as unknown as string }),
      code('BAD_VALUE', /files\.FileStore\.stat: path/),
    )
    await assert.rejects((store as unknown as { stat(): Promise<unknown> }).stat(), code('BAD_VALUE', /path/))
    assert.equal(all.store.calls, before)
    const bad = new ClassTable()
    bad.offer(FileStore, Object.assign(new Store(), { stat: () => ({ size: -1, modified: new Date() }) }))
    const other = world({ classes: bad })
    const proxy = await other.client.activate(FileStore)
    await assert.rejects(proxy.stat({ path: '' }), code('BAD_VALUE', /result\.size/))
    await end(other)
    await end(all)
  })
})

describe('what the contract does not contain', () => {
  test('is refused before anything is sent, with what there is', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const made = all.client.inspect().rpc.calls.made
    const loose = store as unknown as Record<string, () => Promise<unknown>>
    await assert.rejects(
      loose['format']!(),
      code('NOT_IN_CONTRACT', /files\.FileStore does not contain "format".*stat, open, list/),
    )
    await assert.rejects(
      async () => {
        for await (const _ of loose['walk']!() as unknown as AsyncIterable<unknown>) assert.fail('nothing to walk')
      },
      code('NOT_IN_CONTRACT', /walk/),
    )
    for (const name of ['__proto__x', 'prototype', '0', 'close']) {
      await assert.rejects(loose[name]!(), code('NOT_IN_CONTRACT'))
    }
    assert.equal(all.client.inspect().rpc.calls.made, made)
    await end(all)
  })

  test('a proxy is a plain object to the language and to tools', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    assert.equal(await Promise.resolve(store), store)
    assert.equal(inspect(store), 'files.FileStore {}')
    assert.equal(JSON.stringify(store), '{}')
    assert.equal(Object.prototype.toString.call(store), '[object Object]')
    assert.equal(Object.keys(store).length, 0)
    assert.equal((store as unknown as { [Symbol.iterator]: unknown })[Symbol.iterator], undefined)
    await end(all)
  })
})

describe('errors', () => {
  const crossing: ErrorCode[] = ['INVALID_ARGUMENT', 'CANCELLED', 'DEADLINE', 'UNAVAILABLE', 'LIMIT', 'DENIED', 'BUSY']
  test('codes that mean the same to the caller cross', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    for (const name of crossing) {
      all.store.failure = new BusbarError(name, 'for a reason')
      await assert.rejects(store.fail({ how: '' }), code(name, /files\.FileStore\.fail: for a reason/))
    }
    await end(all)
  })

  test('everything else is a FAULT that carries name, own code and message as data', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    const fault = async (failure: unknown): Promise<BusbarError['remote']> => {
      all.store.failure = failure
      try {
        await store.fail({ how: '' })
      } catch (thrown) {
        assert.ok(code('FAULT')(thrown) && !String((thrown as Error).stack).includes('harness'))
        return (thrown as BusbarError).remote
      }
      return assert.fail('did not throw')
    }
    assert.deepEqual(await fault(Object.assign(new Error('no such file'), { code: 'ENOENT' })), {
      name: 'Error',
      code: 'ENOENT',
      message: 'no such file',
    })
    assert.deepEqual(await fault(new RangeError('far')), { name: 'RangeError', code: undefined, message: 'far' })
    // What speaks of our own links would be untrue over there.
    assert.deepEqual(await fault(new BusbarError('PEER_DIED', 'mine')), {
      name: 'BusbarError',
      code: 'PEER_DIED',
      message: 'mine',
    })
    assert.deepEqual(await fault('text'), { name: 'Error', code: undefined, message: 'text' })
    assert.deepEqual(await fault(undefined), { name: 'Error', code: undefined, message: 'thrown: undefined' })
    assert.equal((await fault(new Error('x'.repeat(9999))))?.message.length, 1000)
    await end(all)
  })

  test('text from the peer is made safe in the message and kept as data', async () => {
    const all = world()
    const store = await all.client.activate(FileStore)
    all.store.failure = new Error('\u001b[2Jgone')
    await assert.rejects(store.fail({ how: '' }), (thrown: BusbarError) => {
      assert.ok(!thrown.message.includes('\u001b'))
      assert.equal(thrown.remote?.message, '\u001b[2Jgone')
      return true
    })
    await end(all)
  })
})

describe('activation', () => {
  test('only of what is offered', async () => {
    const all = world()
    await assert.rejects(all.client.activate(File), code('NO_SUCH_CLASS'))
    all.classes.withdraw(FileStore)
    await assert.rejects(all.client.activate(FileStore), code('NO_SUCH_CLASS'))
    all.classes.withdraw(FileStore)
    await end(all)
  })

  test('a class is offered once, whole', () => {
    const classes = new ClassTable()
    classes.offer(FileStore, new Store())
    assert.throws(() => classes.offer(FileStore, new Store()), code('ALREADY_OFFERED'))
    const half = { read: () => new Uint8Array() } as unknown as InstanceType<typeof Object> & {
      read(): Uint8Array
      close(): void
    }
    assert.throws(() => classes.offer(File, half), code('INVALID_ARGUMENT', /"close" is missing/))
    assert.deepEqual(classes.list()[0]?.contracts[0]?.name, 'files.FileStore')
  })

  test('a factory makes one object for each activation, which ends with its caller', async () => {
    const classes = new ClassTable()
    const seen: string[] = []
    const store = new Store()
    classes.offer(File, async ({ caller }) => {
      seen.push(caller.partition)
      const { MemoryFile } = await import('./harness.test.ts')
      return new MemoryFile(`${seen.length}`, store)
    })
    const all = world({ classes })
    const one = await all.client.activate(File)
    const two = await all.client.activate(File)
    assert.deepEqual([seen.length, store.open_], [2, 2])
    assert.deepEqual(await two.read({ offset: 0, length: 9 }), new TextEncoder().encode('2'))
    await one[Symbol.asyncDispose]()
    assert.deepEqual([store.open_, store.disposed], [1, ['1']])
    await end(all)
    assert.equal(store.open_, 0)
  })

  test('a factory that fails', async () => {
    const classes = new ClassTable()
    classes.offer(File, () => {
      throw new BusbarError('DENIED', 'not you')
    })
    const all = world({ classes })
    await assert.rejects(all.client.activate(File), code('DENIED', /not you/))
    await end(all)
  })

  test("an offered component is its owner's: callers release only their reference", async () => {
    const classes = new ClassTable()
    let disposed = 0
    classes.offer(File, {
      read: () => new Uint8Array(),
      close() {},
      [Symbol.dispose]() {
        disposed++
      },
    } as Parameters<typeof classes.offer<typeof File>>[1])
    const all = world({ classes })
    const file = await all.client.activate(File)
    const again = await all.client.activate(File)
    assert.equal(counts(all)['given'], 1)
    await file[Symbol.asyncDispose]()
    await again.close()
    await again[Symbol.asyncDispose]()
    assert.equal(counts(all)['given'], 0)
    await end(all)
    assert.equal(disposed, 0)
  })
})

test('a contract may be served in part of a larger one: an unknown method is refused by number', async () => {
  const Newer = contract('files.File', { version: '1.1' }, { ...File.methods, sync: method({}, t.void) })
  const classes = new ClassTable()
  classes.offer(
    File,
    new (class {
      read(): Uint8Array {
        return new Uint8Array(1)
      }
      close(): void {}
    })(),
  )
  const all = world({ classes })
  const file = await all.client.activate(Newer)
  assert.equal((await file.read({ offset: 0, length: 1 })).length, 1)
  await assert.rejects(file.sync(), code('NOT_IN_CONTRACT'))
  await settle()
  await end(all)
})
