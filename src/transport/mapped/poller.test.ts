import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Source, until } from './polled.test.ts'
import { type Processor, RingPoller } from './poller.ts'

/** Counts what is asked of it. `others`: who runs when it gives way. */
class Machine implements Processor {
  readonly #others: () => void
  ways = 0
  /** Of those it wanted to stay. */
  stays = 0
  moves = 0

  constructor(others: () => void = () => {}) {
    this.#others = others
  }

  giveWay(stay: boolean): void {
    this.ways++
    if (stay) this.stays++
    this.#others()
  }
  moveAway(): void {
    this.moves++
  }
}

/** Takes the processor for longer than giving way takes by itself. */
function run(): void {
  const start = performance.now()
  while (performance.now() - start < 0.05) {}
}

/** A poller that looks, at somebody who has nothing. */
function looking(processor: Processor, how: number | RingPoller = 1e6): { poller: RingPoller; source: Source } {
  const poller = typeof how === 'number' ? new RingPoller(how) : how
  poller.use(processor)
  const source = new Source(3)
  for (let told = 0; told < 3; told++) poller.wake(source)
  return { poller, source }
}

test('whoever has nothing sleeps at once, and is not looked at any more', async () => {
  const poller = new RingPoller()
  const source = new Source()
  poller.wake(source)
  assert.deepEqual([source.asleep, source.looks, poller.inspect().awake], [true, 1, 0])
})

test('without a window it looks only when told', async () => {
  const poller = new RingPoller(0)
  const source = new Source(1000)
  for (let told = 1; told <= 10; told++) {
    poller.wake(source)
    assert.deepEqual([source.asleep, source.looks], [true, told])
  }
})

test('whoever cannot sleep is looked at until it can', async () => {
  const poller = new RingPoller(0)
  const source = new Source(0, 5)
  poller.wake(source)
  assert.equal(source.asleep, false)
  await until(() => source.asleep)
  assert.deepEqual([source.refusals, poller.inspect().awake], [-1, 0])
})

test('arrivals that follow each other make it look by itself, and it stops when nothing comes', async () => {
  const poller = new RingPoller(1e6)
  const source = new Source(500)
  for (let told = 0; told < 3; told++) poller.wake(source)
  assert.equal(poller.inspect().polls, true)
  await until(() => source.left < 0)
  const idle = new RingPoller(1e-6)
  const quiet = new Source()
  idle.wake(quiet)
  assert.deepEqual(idle.inspect(), { window: 1e-6, awake: 0, polls: false, rung: 0 })
  poller.remove(source)
  const { looks } = source
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(source.looks, looks)
})

test('one that is busy does not keep another awake', async () => {
  const poller = new RingPoller(0.01)
  const busy = new Source(1e9)
  const quiet = new Source(4)
  for (let told = 0; told < 3; told++) poller.wake(quiet)
  poller.wake(busy)
  await until(() => quiet.asleep)
  assert.equal(poller.inspect().awake, busy.asleep ? 0 : 1)
  poller.remove(busy)
})

test('whoever took something is heard before it looks again', async () => {
  const poller = new RingPoller(1e6)
  const heard: number[] = []
  class Answering extends Source {
    override look(): boolean {
      const found = super.look()
      // As a reader who asks for more once he has heard of what there was.
      if (found) {
        const { looks } = this
        void Promise.resolve()
          .then(() => {})
          .then(() => {})
          .then(() => heard.push(this.looks - looks))
      }
      return found
    }
  }
  const source = new Answering(100)
  for (let told = 0; told < 3; told++) poller.wake(source)
  await until(() => source.left < 0)
  poller.remove(source)
  // The first three were told in one turn.
  assert.deepEqual(new Set(heard.slice(3)), new Set([0]))
  assert.equal(heard.length, 100)
})

test('it gives way while it looks in vain', async () => {
  const alone = new Machine()
  const { poller, source } = looking(alone)
  await until(() => alone.ways > 100)
  poller.remove(source)
  assert.equal(source.asleep, false)
  const { ways } = alone
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(alone.ways, ways)
})

test('where the other side runs on its processor again and again it moves to another one', async () => {
  const shared = new Machine(() => {
    run()
    source.left = 1
  })
  const { poller, source } = looking(shared)
  await until(() => shared.moves > 0)
  poller.remove(source)
})

test('where others run that bring nothing it stays, and stops looking', async () => {
  const crowded = new Machine(run)
  const { poller, source } = looking(crowded, 1)
  await until(() => {
    poller.wake(source)
    return !poller.inspect().polls
  })
  assert.equal(crowded.moves, 0)
  assert.deepEqual(poller.inspect(), { window: 1, awake: 0, polls: false, rung: 0 })
})

/** Whose clock moves when it is told to: what else the machine does is no time. */
class ClockedPoller extends RingPoller {
  time = 0

  override now(): number {
    return this.time
  }
}

test('while bulk flows, the other side on this processor is no reason to leave it', async () => {
  const poller = new ClockedPoller(1e6)
  const machine = new Machine(() => {
    source.left = 1
    poller.bulk(poller.time)
    poller.time += 0.05
  })
  const { source } = looking(machine, poller)
  await until(() => machine.ways > 40)
  poller.remove(source)
  assert.equal(machine.moves, 0)
  // The writer sees to it that they are parted where that is better.
  assert.equal(machine.stays, machine.ways - 1)
})

test('who reads bulk on a processor of its own is not held there', async () => {
  const poller = new ClockedPoller(1e6)
  const machine = new Machine(() => {
    source.left = 1
    poller.bulk(poller.time)
    poller.time += 0.001
  })
  const { source } = looking(machine, poller)
  await until(() => machine.ways > 40)
  poller.remove(source)
  assert.equal(machine.stays, 0)
})

for (const [memory, far] of [
  ['far away', true],
  ['close', false],
] as const) {
  test(`a writer of bulk that takes turns with its reader ${far ? 'stays' : 'may be moved'} where the memory of another processor is ${memory}`, async () => {
    const poller = new ClockedPoller(1e6)
    const machine = new Machine(() => {
      source.left = 1
      poller.time += 0.05
      poller.copied(65_536, poller.time - 0.001)
    })
    for (let measured = 0; measured < 2; measured++) {
      poller.time += 50
      poller.copied(4_194_304, poller.time - (far ? 50 : 0.1))
    }
    const { source } = looking(machine, poller)
    await until(() => machine.ways > 40)
    // So long it is known; then the system may try again.
    poller.time += 1000
    const { ways, stays } = machine
    assert.equal(stays, far ? ways : 0)
    await until(() => machine.ways > ways + 10)
    poller.remove(source)
    assert.equal(machine.stays, stays)
  })
}

test('a writer of bulk whose memory is far away leaves its processor', () => {
  const machine = new Machine()
  const poller = new RingPoller()
  poller.use(machine)
  for (let measured = 0; measured < 2; measured++) poller.copied(4_194_304, performance.now() - 0.1)
  assert.equal(machine.moves, 0)
  poller.copied(4_194_304, performance.now() - 50)
  assert.equal(machine.moves, 1)
})
