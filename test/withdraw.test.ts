/** Taking an offer back takes back that offer, and none that was made later. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract, method, t } from '../src/rpc/index.ts'
import { code, MemoryBus } from './memory-bus.ts'

const first = contract('test.Clock', { version: '1.0' }, { now: method({}, t.uint32) })
const second = contract('test.Clock', { version: '2.0' }, { now: method({}, t.uint53) })

test('an offer that was taken back and made anew stays when the old one is taken back once more', async () => {
  const memory = new MemoryBus()
  const { bus: owner } = await memory.partition('owner')
  const { bus: user } = await memory.partition('user')
  const old = await owner.offer(first, { now: () => 1 })
  old.withdraw()
  const anew = await owner.offer(first, { now: () => 2 })
  old.withdraw()
  // Another version of the contract joins the service, which is known.
  const beside = await owner.offer(second, { now: () => 3 })
  assert.equal(await (await user.activate(first, { in: 'owner' })).now(), 2)
  beside.withdraw()
  await owner.offer(second, { now: () => 4 })
  beside.withdraw()
  assert.equal(await (await user.activate(second, { in: 'owner' })).now(), 4)
  anew.withdraw()
  anew.withdraw()
  await assert.rejects(user.activate(second, { in: 'owner' }), code('NO_SUCH_SERVICE'))
  memory.close()
})
