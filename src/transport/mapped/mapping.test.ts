/** Real memory and real pipes of the kernel, mapped twice by this process. */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { memoryPair } from '../../link/index.ts'
import { descriptorsTo, flowing, type LinkPair, linkSuite } from '../../testing/index.ts'
import { RingAllocator, type RingMemory } from './allocator.ts'
import { type Libc, loadLibc } from './libc.ts'
import { type MappedStream, type RingGrant, RingMedium } from './medium.ts'
import { RingPoller } from './poller.ts'

const libc: Libc = await loadLibc()
const allocator = new RingAllocator(libc)

/** Two ends, each with a poller of its own as two processes have. */
function ends(window?: number): { a: MappedStream; b: MappedStream; dispose(): Promise<void> } {
  const [near, far] = memoryPair()
  const a = new RingMedium(libc, new RingPoller(window)).wrap(near)
  const b = new RingMedium(libc, new RingPoller(window)).wrap(far)
  const dispose = async (): Promise<void> => {
    a.close()
    b.close()
  }
  return { a, b, dispose }
}

async function pair(window?: number): Promise<LinkPair<MappedStream>> {
  const both = ends(window)
  const { grant, release } = allocator.allocate()
  both.a.take({ ...grant, side: 0 })
  both.b.take({ ...grant, side: 1 })
  release()
  both.a.raise()
  both.b.raise()
  return both
}

linkSuite('rings in mapped memory', () => pair())
linkSuite('rings in mapped memory, without polling', () => pair(0))
linkSuite('rings in mapped memory, read through flow', async () => flowing(await pair()))

/** Descriptors of this process that lead to memory or pipes. */
function held(): string[] {
  return [...descriptorsTo(/^\/memfd:busbar|^pipe:/).values()].toSorted()
}

test('memory that cannot be made leaves no descriptor behind', () => {
  const before = held()
  assert.throws(() => libc.memory(-1), { code: 'UNAVAILABLE' })
  assert.deepEqual(held(), before)
})

test('a thread that goes to another processor, or stays on one while others run, may use the same ones as before', () => {
  const allowed = (): string | undefined =>
    /Cpus_allowed:\s*(\S+)/.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1]
  const before = allowed()
  for (let i = 0; i < 3; i++) {
    libc.moveAway()
    libc.giveWay(i > 0)
    assert.equal(allowed(), before)
  }
})

describe('memory for rings', () => {
  let heldBefore: string[]
  before(() => {
    heldBefore = held()
  })

  test('cannot be shortened by anybody: that would end the others', () => {
    const { grant, release } = allocator.allocate()
    const fd = openSync(`/proc/${grant.process}/fd/${grant.memory}`, 'r+')
    assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' })
    assert.throws(() => ftruncateSync(fd, 1e9), { code: 'EPERM' })
    closeSync(fd)
    release()
  })

  test('reads as zeros when it was given back, and does not end the process', () => {
    const fd = libc.memory(65_536)
    const mapping = libc.map(fd, 65_536)
    closeSync(fd)
    mapping.bytes.fill(7)
    mapping.release()
    mapping.release()
    assert.ok(mapping.bytes.every((byte) => byte === 0))
    mapping.bytes.fill(9)
  })

  const refused: readonly [string, string, (grant: RingGrant) => RingGrant][] = [
    ['descriptors of a process that is gone', 'UNAVAILABLE', (grant) => ({ ...grant, process: 0x7fff_fff0 })],
    ['a descriptor that is not open', 'UNAVAILABLE', (grant) => ({ ...grant, memory: 999_999 })],
    ['a bell that is not open', 'UNAVAILABLE', (grant) => ({ ...grant, serviceBell: 999_999 })],
    ['a bell that is memory', 'MALFORMED', (grant) => ({ ...grant, serviceBell: grant.memory })],
    ['memory that is a pipe', 'MALFORMED', (grant) => ({ ...grant, memory: grant.callerBell })],
    ['a third side', 'MALFORMED', (grant) => ({ ...grant, side: 2 })],
    ['the key of another channel', 'STALE_EPOCH', (grant) => ({ ...grant, key: new Uint8Array(16) })],
  ]
  for (const [what, code, change] of refused) {
    test(`${what}: ${code}, and the stream goes on`, async () => {
      const { a, b, dispose } = ends()
      const { grant, release } = allocator.allocate()
      const before = held()
      assert.throws(() => a.take(change({ ...grant, side: 0 })), { code })
      assert.deepEqual(held(), before, 'what was opened is closed again')
      release()
      await a.write(new Uint8Array([1, 2, 3]))
      assert.deepEqual(await b.read(), new Uint8Array([1, 2, 3]))
      assert.equal(a.medium, 'stream')
      await dispose()
    })
  }

  test('is limited while it is not answered', () => {
    const all: RingMemory[] = []
    assert.throws(
      () => {
        for (;;) all.push(allocator.allocate())
      },
      { code: 'BUSY' },
    )
    assert.equal(all.length, 64)
    for (const each of all) {
      each.release()
      each.release()
    }
    allocator.allocate().release()
  })

  after(async () => {
    // Sockets let go of their descriptors in a later turn.
    for (let turn = 0; turn < 1000 && held().length > heldBefore.length; turn++) await new Promise(setImmediate)
    assert.deepEqual(held(), heldBefore, 'nothing is left open')
  })
})
