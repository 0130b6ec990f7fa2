import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError, codeNumber } from '../errors/index.ts'
import { memoryPair } from '../link/index.ts'
import { Channel } from './channel.ts'
import { ONE_OF_EACH, turns } from './harness.test.ts'
import type { Message } from './messages.ts'
import { RingEnds, type RingMessage } from './ring-ends.ts'
import type { RaisableLink } from './rings.ts'

/** A channel whose stream says what was done with rings. */
function channel(done: string[], taken?: Promise<void>): Channel {
  const [stream] = memoryPair()
  const raisable: RaisableLink = Object.assign(stream, {
    medium: 'stream' as const,
    take: () => {
      done.push('take')
      return taken
    },
    raise: () => void done.push('raise'),
    abandon: () => void done.push('abandon'),
  })
  const description = { id: 77, partition: 'storage', service: 'disk', mode: 'byte', caller: undefined } as const
  return new Channel(description, raisable, { closing: () => {}, orphaned: () => {} })
}

const medium = { maps: 'places', wrap: () => assert.fail('wrapped') } as const
const refused: RingMessage = { kind: 'useRing', channelId: 77, code: codeNumber('DEADLINE'), text: '' }
const used: RingMessage = { kind: 'useRing', channelId: 77, code: 0, text: '' }
const offer = ONE_OF_EACH.offerPlace as RingMessage

// Who did not run for long reads the offer and that it was called off in one go.
test('rings that are called off while they are taken are given back', async () => {
  for (const opening of [false, true]) {
    for (const slow of [false, true]) {
      const done: string[] = []
      const sent: Message[] = []
      let mapped = (): void => {}
      const taken = new Promise<void>((resolve) => {
        mapped = resolve
      })
      const its = channel(done, slow ? taken : undefined)
      const ends = new RingEnds(
        medium,
        () => (opening ? Promise.resolve(its) : its),
        (message) => sent.push(message),
        () => {},
      )
      ends.received(offer)
      ends.received(refused)
      await turns()
      if (slow) assert.equal(done.at(-1), 'take')
      mapped()
      await turns()
      assert.deepEqual(done.slice(-2), ['take', 'abandon'])
      assert.deepEqual(
        sent.map(({ kind }) => kind),
        ['ringResult'],
      )
      assert.ok(!done.includes('raise'))
    }
  }
})

test('rings that are used are not called off by what was called off before', async () => {
  const done: string[] = []
  const its = channel(done)
  const ends = new RingEnds(
    medium,
    () => its,
    () => {},
    () => {},
  )
  ends.received(refused)
  ends.received(offer)
  await turns()
  ends.received(used)
  assert.deepEqual(done, ['abandon', 'take', 'raise'])
})

test('a place for a channel that is not there, or does not open after all, is given back', async () => {
  const gone = new BusbarError('PEER_DIED', 'the other end is gone')
  for (const none of [() => undefined, () => Promise.reject(gone)]) {
    const sent: Message[] = []
    const ends = new RingEnds(
      medium,
      none,
      (message) => sent.push(message),
      () => {},
    )
    ends.received(offer)
    await turns()
    assert.deepEqual(
      sent.map((message) => [message.kind, message.kind === 'ringResult' && message.code]),
      [
        ['releasePlace', false],
        ['ringResult', codeNumber('CLOSED')],
      ],
    )
  }
})
