import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Gate, Inbox, join, memoryPair, pump } from './index.ts'

const lost = new BusbarError('LINK_LOST', 'cut')

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

function textOf(chunk: Uint8Array | undefined): string | undefined {
  return chunk === undefined ? undefined : Buffer.from(chunk).toString()
}

function rejects(settling: unknown, code: ErrorCode): Promise<void> {
  assert.ok(settling instanceof Promise, 'should be a promise that rejects')
  return assert.rejects(settling, { name: 'BusbarError', code })
}

async function isPending(settling: Awaitable<unknown>): Promise<boolean> {
  let over = false
  const seen = (): void => {
    over = true
  }
  Promise.resolve(settling).then(seen, seen)
  await new Promise((resolve) => setImmediate(resolve))
  return !over
}

describe('inbox', () => {
  test('gives what came, in order, and tells when the reader took it', async () => {
    const taken: number[] = []
    const inbox = new Inbox((count) => taken.push(count))
    inbox.push(bytes('ab'))
    inbox.push(new Uint8Array(0))
    inbox.push(bytes('c'))
    assert.deepEqual([inbox.unread, taken], [3, []])
    assert.equal(textOf(await inbox.read()), 'ab')
    assert.deepEqual([inbox.unread, taken], [1, [2]])
    assert.equal(textOf(await inbox.read()), 'c')
    const waiting = inbox.read()
    inbox.push(bytes('d'))
    assert.equal(textOf(await waiting), 'd')
    assert.deepEqual(taken, [2, 1, 1])
  })

  test('copies into the memory of a read what comes in one turn, and keeps the rest', async () => {
    const taken: number[] = []
    const inbox = new Inbox((count) => taken.push(count))
    const buffer = new Uint8Array(4)
    const read = inbox.readInto(buffer)
    assert.equal(inbox.room, 4)
    const lent = bytes('ab')
    inbox.lend(lent)
    lent.fill(0)
    assert.deepEqual([inbox.room, inbox.pending], [2, true])
    inbox.push(bytes('cde'))
    inbox.push(bytes('f'))
    assert.deepEqual([inbox.room, inbox.unread], [0, 2])
    const refused = [inbox.read(), inbox.readInto(buffer)]
    for (const each of refused) await rejects(each, 'INVALID_ARGUMENT')
    assert.deepEqual([await read, textOf(buffer), taken], [4, 'abcd', [4]])
    assert.equal(inbox.readInto(buffer), 2)
    assert.deepEqual([textOf(buffer.subarray(0, 2)), taken], ['ef', [4, 2]])
    await rejects(inbox.readInto(new Uint8Array(0)), 'INVALID_ARGUMENT')
  })

  test('tells how much a sink borrowed, also where the memory was gone by then', () => {
    const taken: number[] = []
    const inbox = new Inbox((count) => taken.push(count))
    const borrow = ({ buffer }: Uint8Array): void => void structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    inbox.flow({ room: 3, chunk: () => {}, borrow, end: () => {} }, () => {})
    inbox.lend(new Uint8Array(3))
    assert.deepEqual(taken, [3])
  })

  test('what is lent in several parts waits where the sink asks to wait behind one of them, and nothing overtakes it', async () => {
    const got: (string | undefined)[] = []
    const rooms: (() => void)[] = []
    const take = (chunk: Uint8Array): Promise<void> => {
      got.push(textOf(chunk))
      return new Promise((resolve) => rooms.push(resolve))
    }
    const inbox = new Inbox()
    inbox.flow({ room: 9, chunk: take, borrow: take, end: () => got.push('end') }, () => {})
    const memory = bytes('abcdef')
    inbox.lend(memory.subarray(0, 2))
    inbox.lend(memory.subarray(2, 4))
    memory.fill(0)
    inbox.push(bytes('gh'))
    inbox.end()
    const expected = ['ab', 'cd', 'gh', 'end']
    for (let i = 0; i < expected.length; i++) {
      assert.deepEqual([got, rooms.length], [expected.slice(0, i + 1), Math.min(i + 1, 3)])
      rooms[i]?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(inbox.unread, 0)
  })

  test('what comes while a sink takes something waits behind that, and so does the end', () => {
    const got: (string | undefined)[] = []
    let under = 0
    const inbox = new Inbox()
    const more: (() => void)[] = [
      () => inbox.push(bytes('cd')),
      () => inbox.lend(bytes('ef')),
      () => {
        inbox.push(bytes('gh'))
        inbox.end()
      },
    ]
    const take = (chunk: Uint8Array): void => {
      assert.equal(under++, 0)
      assert.deepEqual([inbox.room, inbox.place], [0, undefined])
      // As a link does that is written to meanwhile.
      more.shift()?.()
      got.push(textOf(chunk))
      under--
    }
    inbox.flow({ room: 9, place: new Uint8Array(9), chunk: take, borrow: take, end: () => got.push('end') }, () => {})
    inbox.lend(bytes('ab'))
    assert.deepEqual([got, inbox.unread], [['ab', 'cd', 'ef', 'gh', 'end'], 0])
  })

  test('answers a read into memory with what came before the end, then with the end', async () => {
    const inbox = new Inbox()
    const buffer = new Uint8Array(4)
    const read = inbox.readInto(buffer)
    inbox.push(bytes('a'))
    inbox.end()
    assert.deepEqual([await read, inbox.readInto(buffer)], [1, 0])
    const waiting = new Inbox()
    const pending = waiting.readInto(buffer)
    waiting.end()
    assert.equal(await pending, 0)
    const broken = new Inbox()
    const lostRead = broken.readInto(buffer)
    broken.push(bytes('a'))
    broken.fail(lost)
    await rejects(lostRead, 'LINK_LOST')
    assert.equal(broken.room, 0)
  })

  test('hands out what waited in pieces of 64 KiB at most', () => {
    const inbox = new Inbox()
    inbox.push(new Uint8Array(100_000))
    const pieces = [inbox.read(), inbox.read()].map((piece) => (piece as Uint8Array).length)
    assert.deepEqual(pieces, [65_536, 34_464])
  })

  test('takes nothing after its end, and gives the end again and again', async () => {
    const inbox = new Inbox()
    inbox.push(bytes('a'))
    inbox.end()
    inbox.push(bytes('b'))
    assert.deepEqual([inbox.ended, inbox.unread], [true, 1])
    assert.deepEqual([textOf(await inbox.read()), await inbox.read(), await inbox.read()], ['a', undefined, undefined])
  })

  test('tells when a sink that asked to wait does no longer, and whether to read ahead for it meanwhile', async () => {
    let ready = 0
    const inbox = new Inbox(undefined, () => ready++)
    const gate = new Gate()
    gate.shut()
    const got: (string | undefined)[] = []
    let patient = true
    inbox.flow(
      {
        chunk: (chunk) => {
          got.push(textOf(chunk))
          return gate.pass()
        },
        end: () => {},
        get patient() {
          return patient
        },
      },
      () => {},
    )
    assert.equal(inbox.patient, false)
    inbox.push(bytes('a'))
    inbox.push(bytes('b'))
    assert.deepEqual([got, inbox.patient, ready], [['a'], true, 0])
    patient = false
    assert.equal(inbox.patient, false)
    gate.open()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([got, inbox.patient, ready], [['a', 'b'], false, 1])
  })

  test('drops everything when it fails; the first reason counts', async () => {
    const inbox = new Inbox()
    inbox.push(bytes('a'))
    inbox.fail(lost)
    inbox.fail(new BusbarError('CLOSED', 'later'))
    inbox.push(bytes('b'))
    inbox.end()
    assert.equal(inbox.unread, 0)
    await rejects(inbox.read(), 'LINK_LOST')
    await rejects(inbox.read(), 'LINK_LOST')
  })

  test('refuses a second pending read and still answers the first', async () => {
    const inbox = new Inbox()
    const first = inbox.read()
    await rejects(inbox.read(), 'INVALID_ARGUMENT')
    inbox.fail(lost)
    await rejects(first, 'LINK_LOST')
  })
})

describe('gate', () => {
  test('lets pass when open, and everyone who waited when it opens', async () => {
    const gate = new Gate()
    assert.equal(gate.pass(), undefined)
    gate.shut()
    const waiting = [gate.pass(), gate.pass()]
    assert.ok(await isPending(waiting[0]))
    gate.open()
    assert.deepEqual(await Promise.all(waiting), [undefined, undefined])
    assert.ok(gate.isOpen)
  })

  test('turns everyone away when it failed, for good', async () => {
    const gate = new Gate()
    gate.shut()
    const waiting = gate.pass()
    gate.fail(lost)
    gate.fail(new BusbarError('CLOSED', 'later'))
    gate.open()
    await rejects(waiting, 'LINK_LOST')
    await rejects(gate.pass(), 'LINK_LOST')
  })
})

test('closing settles once', async () => {
  const closing = new Closing()
  assert.equal(closing.over, false)
  assert.equal(closing.settle(), true)
  assert.equal(closing.settle(lost), false)
  assert.equal(closing.over, true)
  assert.equal(await closing.closed, undefined)
})

describe('the fence of a memory pair', () => {
  test('holds everything in order, and lets go one by one', async () => {
    const [a, b] = memoryPair()
    a.fence()
    void a.write(bytes('1'))
    void a.write(bytes('2'))
    void a.end()
    const first = b.read() as Promise<Uint8Array | undefined>
    assert.ok(await isPending(first))
    a.release(1)
    assert.equal(textOf(await first), '1')
    void b.write(bytes('back'))
    assert.equal(textOf(await a.read()), 'back', 'the other direction is free')
    a.release()
    assert.deepEqual([textOf(await b.read()), await b.read()], ['2', undefined])
  })

  test('stays while something is held, and is gone when all was let go', async () => {
    const [a, b] = memoryPair()
    a.fence()
    void a.write(bytes('1'))
    void a.write(bytes('2'))
    a.release(1)
    void a.write(bytes('3'))
    assert.equal(textOf(await b.read()), '1')
    assert.ok(await isPending(b.read()))
    a.release()
    void a.write(bytes('4'))
    assert.deepEqual([textOf(await b.read()), textOf(await b.read())], ['3', '4'])
  })

  test('holds a close too: the other end learns of it only then, and only this end is over', async () => {
    const [a, b] = memoryPair()
    a.fence()
    void a.write(bytes('1'))
    a.close(lost)
    await rejects(a.read(), 'LINK_LOST')
    const reading = b.read()
    assert.ok(await isPending(reading))
    a.release(1)
    assert.equal(textOf(await reading), '1')
    a.release()
    assert.equal((await b.closed)?.code, 'LINK_LOST')
  })

  test('counts what it holds as in flight, so that the writer waits', async () => {
    const [a, b] = memoryPair(4)
    a.fence()
    const room = a.write(bytes('12345'))
    assert.ok(await isPending(room))
    assert.equal(a.inFlight, 5)
    a.release()
    assert.equal(textOf(await b.read()), '12345')
    await room
    assert.equal(a.inFlight, 0)
  })

  test('what is let go after the other end closed goes nowhere', async () => {
    const [a, b] = memoryPair()
    a.fence()
    void a.write(bytes('late'))
    b.close(lost)
    a.release()
    await rejects(b.read(), 'LINK_LOST')
    await rejects(a.read(), 'LINK_LOST')
  })
})

describe('pump', () => {
  test('carries bytes and the end, counts, and leaves the other direction alone', async () => {
    const [a, near] = memoryPair()
    const [far, b] = memoryPair()
    const count = { bytes: 0 }
    const pumping = pump(near, far, count)
    await a.write(bytes('abc'))
    await a.write(bytes('de'))
    await a.end()
    await pumping
    assert.equal(count.bytes, 5)
    assert.deepEqual([textOf(await b.read()), textOf(await b.read()), await b.read()], ['abc', 'de', undefined])
    await b.write(bytes('x'))
    assert.equal(textOf(await far.read()), 'x')
  })

  test('reads nothing before the last write was taken', async () => {
    const [a, near] = memoryPair(10)
    const [far, b] = memoryPair(10)
    const pumping = pump(near, far)
    const writing = (async () => {
      for (let i = 0; i < 20; i++) await a.write(new Uint8Array(10))
      await a.end()
    })()
    assert.ok(await isPending(writing))
    assert.ok(a.inFlight + far.inFlight <= 30, `${a.inFlight + far.inFlight} bytes are under way`)
    let got = 0
    for (let chunk = await b.read(); chunk !== undefined; chunk = await b.read()) got += chunk.length
    assert.equal(got, 200)
    await Promise.all([writing, pumping])
  })

  test('a failure of either side closes both with its reason, and settles', async () => {
    for (const broken of ['from', 'to']) {
      const [a, near] = memoryPair()
      const [far, b] = memoryPair(1)
      const pumping = pump(near, far)
      void a.write(bytes('ab'))
      assert.ok(await isPending(pumping))
      ;(broken === 'from' ? a : b).close(lost)
      void a.write(bytes('c'))
      if (broken === 'from') void b.read()
      await pumping
      assert.equal((await near.closed)?.code, 'LINK_LOST')
      assert.equal((await far.closed)?.code, 'LINK_LOST')
    }
  })
})

describe('join', () => {
  function joined(): { a: ByteLink; b: ByteLink; joining: Promise<void> } {
    const [a, near] = memoryPair()
    const [far, b] = memoryPair()
    return { a, b, joining: join(near, far) }
  }

  test('each direction ends by itself; over when both have', async () => {
    const { a, b, joining } = joined()
    await a.end()
    assert.equal(await b.read(), undefined)
    assert.ok(await isPending(joining))
    await b.write(bytes('still'))
    assert.equal(textOf(await a.read()), 'still')
    await b.end()
    assert.equal(await a.read(), undefined)
    await joining
    assert.deepEqual([await a.closed, await b.closed], [undefined, undefined])
  })

  test('a side that breaks breaks the other, also when its own direction has ended', async () => {
    for (const ended of [false, true]) {
      const { a, b, joining } = joined()
      if (ended) {
        await a.end()
        assert.equal(await b.read(), undefined)
      }
      a.close(lost)
      await joining
      assert.equal((await b.closed)?.code, 'LINK_LOST')
    }
  })
})
