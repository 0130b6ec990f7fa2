import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JoinedPipe, PipeTap } from './followers.ts'
import { KINDS, newBus, offerEcho, turns } from './harness.test.ts'

/** What one follower heard, as lines. */
class Ear {
  readonly lines: string[] = []
  readonly pipes: JoinedPipe[] = []

  readonly follow = (pipe: JoinedPipe): PipeTap => {
    this.pipes.push(pipe)
    return {
      bytes: (fromCaller, chunk) => void this.lines.push(`${fromCaller ? 'up' : 'down'} ${[...chunk].join()}`),
      ended: (fromCaller) => void this.lines.push(`${fromCaller ? 'up' : 'down'} ended`),
      closed: (reason) => void this.lines.push(`closed ${reason?.code ?? 'in order'}`),
    }
  }
}

// What went over to rings before anybody followed is not heard: `test/rings.test.ts`.
for (const kind of KINDS.filter((one) => one !== 'rings')) {
  describe(`following pipes, ${kind}`, () => {
    test('a pipe is heard from its opening to its end', async () => {
      const bus = newBus()
      const [web, storage] = [await bus.honest(kind, 'web'), await bus.honest(kind, 'storage')]
      await offerEcho(storage.endpoint)
      const ear = new Ear()
      const leave = bus.broker.follow(ear.follow)
      const channel = await web.endpoint.open('storage/echo')
      await channel.write(new Uint8Array([1, 2]))
      assert.deepEqual([...((await channel.read()) ?? [])], [1, 2])
      await channel.end()
      assert.equal(await channel.read(), undefined)
      await channel.closed
      await turns()
      const pipe = { caller: 'web', callerEpoch: 1, partition: 'storage', service: 'echo', mode: 'byte' }
      assert.deepEqual(ear.pipes, [{ ...pipe, joinedLate: false }])
      assert.deepEqual(ear.lines, ['up 1,2', 'down 1,2', 'up ended', 'down ended', 'closed in order'])
      leave()
      bus.idle()
    })

    test('one that is open is joined late; one that breaks says why; whoever leaves hears no more', async () => {
      const bus = newBus()
      const [web, storage] = [await bus.honest(kind, 'web'), await bus.honest(kind, 'storage')]
      await offerEcho(storage.endpoint)
      const channel = await web.endpoint.open('storage/echo')
      const echo = async (byte: number): Promise<void> => {
        await channel.write(new Uint8Array([byte]))
        assert.deepEqual([...((await channel.read()) ?? [])], [byte])
      }
      await echo(1)
      const [first, second] = [new Ear(), new Ear()]
      const leave = bus.broker.follow(first.follow)
      await echo(2)
      bus.broker.follow(second.follow)
      await echo(3)
      leave()
      await echo(4)
      storage.cut()
      await turns()
      assert.equal(first.pipes[0]?.joinedLate, true)
      assert.deepEqual(first.lines, ['up 2', 'down 2', 'up 3', 'down 3'])
      assert.deepEqual(second.lines, ['up 3', 'down 3', 'up 4', 'down 4', 'closed PEER_DIED'])
    })

    test('whoever does not care for a pipe hears nothing of it', async () => {
      const bus = newBus()
      const [web, storage] = [await bus.honest(kind, 'web'), await bus.honest(kind, 'storage')]
      const [accepted] = [await offerEcho(storage.endpoint)]
      let asked = 0
      bus.broker.follow(() => {
        asked++
        return undefined
      })
      const channel = await web.endpoint.open('storage/echo')
      await channel.write(new Uint8Array([1]))
      assert.deepEqual([...((await channel.read()) ?? [])], [1])
      assert.equal(asked, 1)
      assert.equal(accepted.length, 1)
    })
  })
}
