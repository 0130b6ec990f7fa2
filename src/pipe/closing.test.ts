import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { Pipe } from './handle.ts'
import { linkPair } from './harness.test.ts'

function pipe(): { pipe: Pipe; link: ReturnType<typeof linkPair>[0]; far: ReturnType<typeof linkPair>[1] } {
  const [link, far] = linkPair()
  const description = { id: 1, partition: 'storage', service: 'echo', mode: 'byte', caller: undefined }
  return { pipe: new Pipe(Object.assign(link, description) as unknown as Channel), link, far }
}

test('reads fail with the reason that the pipe closed with, also when nobody had heard of it yet', async () => {
  const { pipe: broken, link } = pipe()
  const pending = broken.read()
  link.close(new BusbarError('RESET', 'closed by the other end'))
  broken.close()
  await assert.rejects(pending, { code: 'RESET' })
  await assert.rejects(broken.read(), { code: 'RESET' })
  assert.equal((await broken.closed)?.code, 'RESET')
})

test('what is unread when a pipe is closed is dropped at once', async () => {
  const { pipe: open, far } = pipe()
  const first = open.read()
  await far.write(new Uint8Array([1]))
  await first
  await far.write(new Uint8Array([2]))
  open.close()
  await assert.rejects(open.read(), { code: 'CLOSED' })
})
