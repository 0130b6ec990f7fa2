import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowReader, type LinkSink, memoryPair, PacketStream } from '../link/index.ts'
import { Channel } from './channel.ts'

test('a link below a channel hears whether anything need be read ahead for who waits above', async () => {
  const [far, near] = memoryPair()
  await new PacketStream(far).write(new Uint8Array(1))
  const packet = (await near.read()) as Uint8Array
  for (const through of ['channel', 'reader'] as const) {
    let below: LinkSink | undefined
    const [link] = memoryPair()
    const read = (sink: LinkSink): void => {
      below = sink
    }
    const description = { id: 77, partition: 'storage', service: 'disk', mode: 'byte', caller: undefined } as const
    const channel = new Channel(description, new PacketStream(Object.assign(link, { flow: read })), {
      closing: () => {},
      orphaned: () => {},
    })
    let patient = true
    const sink: LinkSink = {
      chunk: () => new Promise(() => {}),
      end: () => {},
      get patient() {
        return patient
      },
    }
    if (through === 'channel') channel.flow(sink)
    else new FlowReader(channel).flow(sink)
    void below?.chunk(packet)
    assert.equal(below?.patient, true)
    patient = false
    assert.equal(below?.patient, false)
  }
})
