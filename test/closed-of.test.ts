/** The end of an object shows on its proxy, without a call. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closedOf, contract, method, t } from '../src/index.ts'
import { MemoryBus } from './memory-bus.ts'

const Item = contract('test.Item', { version: '1.0' }, { value: method({}, t.uint32) })
const Shelf = contract('test.Shelf', { version: '1.0' }, { item: method({}, t.ref(Item)) })

test('when a partition dies, every proxy of it tells, also one of a partition that passed objects on', async () => {
  const all = new MemoryBus()
  const [storage, middle, web] = [
    await all.partition('storage'),
    await all.partition('middle'),
    await all.partition('web'),
  ]
  await storage.bus.offer(Shelf, { item: () => ({ value: () => 7 }) })
  const shelf = await middle.bus.activate(Shelf, { in: 'storage' })
  await middle.bus.offer(Shelf, { item: () => shelf.item() })
  const near = await web.bus.activate(Shelf, { in: 'storage' })
  const far = await web.bus.activate(Shelf, { in: 'middle' })
  const [given, passedOn] = [await near.item(), await far.item()]
  assert.deepEqual([await given.value(), await passedOn.value()], [7, 7])
  const ends = [shelf, near, given].map((proxy) => closedOf(proxy))
  const fromMiddle = [far, passedOn].map((proxy) => closedOf(proxy))
  storage.die()
  for (const end of ends) assert.equal((await end)?.code, 'PEER_DIED')
  middle.die()
  for (const end of fromMiddle) assert.equal((await end)?.code, 'PEER_DIED')
  all.close()
})
