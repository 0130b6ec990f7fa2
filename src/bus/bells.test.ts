import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Bells } from './bells.ts'
import { TestEnv } from './harness.test.ts'

/** Bells to a peer that has room or has not. */
function bells(): { env: TestEnv; sent: number[]; peer: { room: boolean }; all: Bells } {
  const env = new TestEnv()
  const sent: number[] = []
  const peer = { room: true }
  const all = new Bells(
    env,
    (id) => sent.push(id),
    () => peer.room,
  )
  return { env, sent, peer, all }
}

describe('bells', () => {
  test('pass at once to whoever has room', () => {
    const { env, sent, all } = bells()
    for (const id of [1, 3, 1]) all.ring(id)
    assert.deepEqual(sent, [1, 3, 1])
    assert.equal(env.timers, 0)
  })

  test('wait for whoever has none, one for each channel, in their order', async () => {
    const { env, sent, peer, all } = bells()
    peer.room = false
    for (const id of [5, 3, 5, 5, 7]) all.ring(id)
    await env.advance(1000)
    assert.deepEqual(sent, [])
    peer.room = true
    all.flush()
    assert.deepEqual(sent, [5, 3, 7])
    await env.advance(1000)
    assert.equal(env.timers, 0)
  })

  test('that come too often merge, and none that is due is lost', async () => {
    const { env, sent, all } = bells()
    for (let ring = 0; ring < 100_000; ring++) all.ring(ring % 50)
    assert.equal(sent.length, 1000)
    sent.length = 0
    await env.advance(100)
    assert.deepEqual(
      sent.toSorted((one, other) => one - other),
      Array.from({ length: 50 }, (_, id) => id),
    )
    assert.equal(env.timers, 0)
  })

  test('are forgotten when the session is over', async () => {
    const { env, sent, peer, all } = bells()
    peer.room = false
    all.ring(1)
    all.stop()
    all.ring(3)
    assert.equal(env.timers, 0)
    peer.room = true
    await env.advance(1000)
    assert.deepEqual(sent, [])
  })
})
