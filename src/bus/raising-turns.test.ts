import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StillEnv } from '../testing/index.ts'
import { MAX_RAISING, MAX_RAISING_OF_ONE, RaisingTurns } from './raising-turns.ts'

const LONG = 2_000

/** Work that lasts until it is told to end, or recalled, by the names it was begun for. */
class Work {
  readonly env = new StillEnv()
  readonly turns = new RaisingTurns(this.env, LONG)
  readonly going: { names: readonly string[]; end: () => void; answered: (name: string) => void }[] = []
  readonly recalled: string[] = []
  most = 0

  start(names: readonly string[]): Promise<void> {
    return this.turns.take(names, (turn) => {
      return new Promise<void>((resolve) => {
        this.going.push({ names, end: resolve, answered: (name) => turn.answered(name, true) })
        this.most = Math.max(this.most, this.going.length)
      })
    })
  }

  async endFirst(): Promise<void> {
    this.going.shift()?.end()
    await settle()
  }

  /** Channels of partitions that do not answer to one that does: as many as there are turns, and as many again that wait for one. */
  async flood(silent: readonly string[]): Promise<void> {
    for (let i = 0; i < 2 * MAX_RAISING; i++) void this.#answering(silent[i % silent.length] ?? '', 'service')
    await settle()
  }

  /** A channel between two that answer at once; whether it has had its turn. */
  channel(caller: string): { over: boolean } {
    const state = { over: false }
    void this.#answering(caller, 'service').then(() => {
      state.over = true
    })
    return state
  }

  /** All answer at once, but for those that are called silent. */
  #answering(...names: readonly string[]): Promise<void> {
    return this.turns.take(names, (turn) => {
      for (const name of names) if (!name.startsWith('silent')) turn.answered(name, true)
      if (!names.some((name) => name.startsWith('silent'))) return Promise.resolve()
      return new Promise<void>((resolve) => {
        turn.recall = ({ code }) => {
          this.recalled.push(`${names.join()} ${code}`)
          resolve()
        }
      })
    })
  }
}

/** As many turns may be recalled one after the other. */
async function settle(): Promise<void> {
  for (let i = 0; i < 2 * MAX_RAISING; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

test('every channel has its turn, and never more than the limits at once', async () => {
  const work = new Work()
  const all = Array.from({ length: 200 }, (_, i) => work.start([`caller ${i % 5}`, `service ${i % 7}`]))
  while (work.going.length > 0) {
    const counts = new Map<string, number>()
    for (const name of work.going.flatMap(({ names }) => names)) counts.set(name, (counts.get(name) ?? 0) + 1)
    assert.ok(Math.max(...counts.values()) <= MAX_RAISING_OF_ONE)
    await work.endFirst()
  }
  await Promise.all(all)
  assert.equal(work.most, MAX_RAISING)
})

test('a partition that never answers holds up nobody else', async () => {
  const work = new Work()
  for (let i = 0; i < 100; i++) void work.start(['caller', 'silent'])
  assert.equal(work.going.length, MAX_RAISING_OF_ONE)
  void work.start(['another', 'service'])
  assert.equal(work.going.length, MAX_RAISING_OF_ONE + 1)
})

test('a caller that never answers does not keep others from a service that does, nor a service from a caller', async () => {
  for (const silent of ['caller', 'service']) {
    const work = new Work()
    for (let i = 0; i < 100; i++) {
      void work.start(['caller', 'service'])
      const begun = work.going[i]
      for (const name of begun?.names ?? []) if (name !== silent) begun?.answered(name)
    }
    assert.equal(work.going.length, MAX_RAISING_OF_ONE)
    void work.start(silent === 'caller' ? ['another', 'service'] : ['caller', 'another'])
    assert.equal(work.going.length, MAX_RAISING_OF_ONE + 1)
    // Who has answered is not counted twice, and makes room at once for whoever waits.
    for (let i = 0; i < MAX_RAISING_OF_ONE; i++) void work.start(['one', 'other'])
    const waiting = work.going.length
    void work.start(['one', 'third'])
    work.going[waiting - 1]?.answered('one')
    work.going[waiting - 1]?.answered('one')
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(work.going.length, waiting + 1)
    void work.start(['one', 'third'])
    assert.equal(work.going.length, waiting + 1)
  }
})

test('one that is over makes room for a channel of each of its two partitions', async () => {
  const work = new Work()
  for (let i = 0; i < MAX_RAISING_OF_ONE; i++) void work.start(['caller', 'service'])
  void work.start(['caller', 'another service'])
  void work.start(['another caller', 'service'])
  assert.equal(work.going.length, MAX_RAISING_OF_ONE)
  await work.endFirst()
  assert.equal(work.going.length, MAX_RAISING_OF_ONE + 1)
})

for (const many of [3, 5, 10]) {
  test(`${many} silent partitions that have all turns keep them from each other only`, async () => {
    const work = new Work()
    await work.flood(Array.from({ length: many }, (_, i) => `silent ${i}`))
    // While all of them may still answer, whoever comes waits, and no longer.
    const first = work.channel('caller')
    work.env.advance(LONG - 1)
    await settle()
    assert.deepEqual([first.over, work.recalled], [false, []])
    work.env.advance(1)
    await settle()
    assert.deepEqual([first.over, work.recalled.length], [true, 1])
    // What that one left a silent one may have again, but the others are as old as they were.
    for (let i = 0; i < MAX_RAISING - 1; i++) {
      const next = work.channel(`caller ${i}`)
      await settle()
      assert.ok(next.over, `channel ${i}`)
    }
    assert.ok(work.recalled.every((each) => /^silent \d+,service BUSY$/.test(each)))
    assert.equal(work.env.timers, 0)
  })
}

for (const many of [40, 48, 100, 250]) {
  test(`${many} silent partitions keep a turn from nobody for longer than until each of them had one`, async () => {
    const work = new Work()
    await work.flood(Array.from({ length: many }, (_, i) => `silent ${i}`))
    for (let i = 0; i < 200; i++) {
      const next = work.channel(`caller ${i}`)
      await settle()
      for (let waited = 0; !next.over; waited++) {
        assert.ok(waited < Math.ceil(many / MAX_RAISING), `channel ${i} waits after ${waited} times ${LONG} ms`)
        work.env.advance(LONG)
        await settle()
      }
    }
  })
}

test('a turn that has gone on for long is recalled for nobody who has left as many unanswered', async () => {
  const work = new Work()
  const silent = ['silent 0', 'silent 1', 'silent 2']
  await work.flood(silent)
  work.env.advance(10 * LONG)
  await settle()
  for (const one of silent) void work.start([one, 'service'])
  await settle()
  assert.deepEqual([work.recalled, work.going.length, work.env.timers], [[], 0, 0])
})

test('of those that wait the next is who has left the fewest unanswered', async () => {
  const work = new Work()
  for (let i = 0; i < 2 * MAX_RAISING; i++) void work.start([`silent ${i % 3}`, `service ${i}`])
  assert.equal(work.going.length, MAX_RAISING)
  const [later, first] = [
    ['silent 0', 'caller'],
    ['another', 'caller'],
  ] as const
  void work.start(later)
  void work.start(first)
  await work.endFirst()
  assert.deepEqual(work.going.at(-1)?.names, first)
})
