import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_RAISING, MAX_RAISING_OF_ONE, RaisingTurns } from './raising-turns.ts'

/** Work that lasts until it is told to end, by the names it was begun for. */
class Work {
  readonly turns = new RaisingTurns()
  readonly going: { names: readonly string[]; end: () => void; answered: (name: string) => void }[] = []
  most = 0

  start(names: readonly string[]): Promise<void> {
    return this.turns.take(names, (answered) => {
      return new Promise<void>((resolve) => {
        this.going.push({ names, end: resolve, answered })
        this.most = Math.max(this.most, this.going.length)
      })
    })
  }

  async endFirst(): Promise<void> {
    this.going.shift()?.end()
    await new Promise((resolve) => setImmediate(resolve))
  }
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
