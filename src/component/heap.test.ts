/**
 * What must leave the heap as it was. Each runs in a thread of its own: Node's test runner keeps a Map of every promise there
 * is, which takes megabytes and is emptied by and by.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { contract, method, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { counts, end, settle, world } from './harness.test.ts'
import { closeRingPairs } from './ring-pair.test.ts'
import { same } from './same.ts'

/** Rounds until what runs is compiled: code and what is known of its types take a part of the heap as well. */
const WARM_UP = 50

const Item = contract('test.Item', { version: '1.0' }, { value: method({}, t.uint32) })
const Keeper = contract(
  'test.Keeper',
  { version: '1.0' },
  {
    echo: method({ data: t.bytes }, t.bytes),
    make: method({ count: t.uint32 }, t.array(t.ref(Item))),
    swap: method({ items: t.array(t.ref(Item)) }, t.array(t.ref(Item))),
  },
)

class Thing {
  readonly #value: number
  constructor(value: number) {
    this.#value = value
  }
  value(): number {
    return this.#value
  }
}

function keeper() {
  const classes = new ClassTable()
  classes.offer(Keeper, {
    echo: ({ data }) => data,
    make: ({ count }) => Array.from({ length: count }, (_, i) => new Thing(i)),
    swap: ({ items }) => {
      queueMicrotask(() => {
        for (const item of items) if (!(item instanceof Thing)) item[Symbol.dispose]()
      })
      return items.toReversed()
    },
  })
  return world({ classes })
}

/** Bytes by which the heap has grown after `rounds` of them, when `idle` says that nothing of them is under way. */
async function grown(rounds: number, round: () => Promise<void>, idle: () => boolean): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const used = async (): Promise<number> => {
    do await settle()
    while (!idle())
    gc()
    gc()
    return process.memoryUsage().heapUsed
  }
  for (let i = 0; i < WARM_UP; i++) await round()
  const start = await used()
  for (let i = 0; i < rounds; i++) await round()
  return (await used()) - start
}

const workloads = {
  async calls(): Promise<number> {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    const { signal } = new AbortController()
    const data = new Uint8Array(16)
    const options = [undefined, { signal }, { deadline: 60_000 }, { signal, deadline: 60_000 }]
    const round = async (): Promise<void> => {
      await Promise.all(Array.from({ length: 1000 }, (_, i) => proxy.echo({ data }, options[i % 50])))
    }
    const bytes = await grown(1000, round, () => true)
    // That of memory to spare, on rings.
    assert.ok(all.env.timers <= 1, `${all.env.timers} timers are left`)
    await end(all)
    return bytes
  },

  async objects(): Promise<number> {
    const all = keeper()
    const proxy = await all.client.activate(Keeper)
    const round = async (): Promise<void> => {
      const things = Array.from({ length: 500 }, (_, i) => new Thing(i))
      const back = await proxy.swap({ items: things })
      assert.equal(back[0] as unknown, things.at(-1))
      const items = await proxy.make({ count: 500 })
      // More references to the same objects.
      const again = await proxy.swap({ items })
      assert.ok(same(again[0]!, items.at(-1)!))
      for (const item of [...items, ...again]) item[Symbol.dispose]()
    }
    // Of two who send as much as they can the releases of one wait for a turn as well.
    const bytes = await grown(100, round, () => counts(all)['given'] === 1)
    assert.deepEqual(
      [all.client.inspect().exports, all.client.inspect().imports, all.server.inspect().imports],
      [{}, { 'test.Keeper': 1 }, {}],
    )
    await end(all)
    return bytes
  },
}

function inThread(workload: keyof typeof workloads): Promise<number> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: workload })
    thread.on('message', resolve).on('error', reject)
    thread.on('exit', () => reject(new Error('the thread ended without a figure')))
  })
}

if (isMainThread) {
  test('a million calls on one pipe, with signals and deadlines that outlive them, leave the heap where it was', {
    timeout: 600_000,
  }, async () => {
    const bytes = await inThread('calls')
    // One word for each call that was left behind would be eight times as much.
    assert.ok(bytes < 1_000_000, `the heap grew by ${bytes} bytes`)
  })

  test('100,000 objects created, passed, passed back, released: the counts and the heap are back at their start', {
    timeout: 300_000,
  }, async () => {
    const bytes = await inThread('objects')
    // Each object that was left would be 200 bytes or more: 20 MB in all.
    assert.ok(bytes < 2_000_000, `the heap grew by ${bytes} bytes`)
  })
} else {
  const bytes = await workloads[workerData as keyof typeof workloads]()
  closeRingPairs()
  parentPort!.postMessage(bytes)
}
