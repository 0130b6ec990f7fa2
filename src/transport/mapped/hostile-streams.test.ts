/** Each lie that the other end of a stream can tell above its rings, and what must not be taken for one. */
import assert from 'node:assert/strict'
import { BusbarError } from '../../errors/index.ts'
import { CELLS } from '../../ring/index.ts'
import { bells, type Check, HostileEnd, KEY, ringsOf, soon, turns } from './hostile-end.test.ts'
import { formatRegion, regionBytes } from './region.ts'

const coded = (code: string) => (thrown: unknown) => thrown instanceof BusbarError && thrown.code === code

/** Every check, the quick ones first. */
export const STREAM_CHECKS: readonly Check[] = [
  [
    'nothing that is right is refused: each byte once and in order, then the end',
    async (mapped) => {
      for (const linkFirst of [true, false]) {
        const end = new HostileEnd(mapped)
        if (linkFirst) await end.say(1, 2)
        await end.preface(2)
        await end.put(3)
        if (!linkFirst) {
          const first = end.stream.read()
          await turns(4)
          await end.say(1)
          assert.deepEqual([...((await soon(first)) ?? [])], [1], 'what is in the ring waits for what is on the link')
          await end.say(2)
          assert.deepEqual(await end.read(), [2])
        } else assert.deepEqual(await end.read(), [1, 2])
        assert.deepEqual(await end.read(), [3])
        await end.put(4)
        await end.endRing()
        await end.endLink()
        assert.deepEqual(await end.read(), [4])
        assert.equal(await end.read(), undefined)
        assert.equal(end.stream.write(Uint8Array.of(9)), undefined)
        await soon(end.stream.end())
        assert.equal(await soon(end.stream.closed), undefined)
        assert.equal(end.released, 1, 'gives the memory back once')
        const got = new Uint8Array(9)
        assert.equal(end.own.reader.readInto(got), 9)
        assert.deepEqual([...got], [0, 0, 0, 0, 0, 0, 0, 0, 9])
        assert.equal(end.own.reader.readInto(got), 0)
        assert.ok(end.own.reader.ended)
      }
    },
  ],
  [
    'an end of the link that comes before the bytes in the ring are read is no early one',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      await end.say(1)
      await end.preface(1)
      await end.put(2)
      await end.endRing()
      await end.endLink()
      for (const bytes of [[1], [2], undefined]) assert.deepEqual(await end.read(), bytes)
      end.stream.close()
    },
  ],
  [
    'a preface in pieces',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      const before = Array.from({ length: 258 }, (_, byte) => byte & 255)
      await end.say(...before)
      for (const byte of [2, 1, 0, 0, 0, 0, 0, 0, 5]) await end.put(byte)
      for (const bytes of [before, [5]]) assert.deepEqual(await end.read(), bytes)
      end.stream.close()
    },
  ],
  [
    'a preface that no sender can mean',
    async (mapped) => {
      for (const sent of [2 ** 53, 2 ** 63]) {
        const end = new HostileEnd(mapped)
        await end.preface(sent)
        await end.closedBy('MALFORMED', /a ring behind \d+ bytes/)
      }
    },
  ],
  [
    'bytes before the ring that never come hold up nobody else, and end with the link',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      await end.preface(Number.MAX_SAFE_INTEGER)
      await end.put(1)
      const read = end.stream.read()
      await turns()
      assert.ok(read instanceof Promise, 'bytes of the ring overtake those of the link')
      assert.equal(end.stream.write(Uint8Array.of(9)), undefined)
      read.catch(() => {})
      await end.endLink()
      await assert.rejects(soon(read), coded('RESET'))
      await end.closedBy('RESET', /the link ended early/)
    },
  ],
  [
    'more on the link than the ring says, before the ring says it',
    async (mapped) => {
      for (const bytes of [
        [1, 2, 3],
        [1, 2, 3, 4, 5, 6],
      ]) {
        const end = new HostileEnd(mapped)
        await end.say(...bytes)
        await end.preface(2)
        await end.closedBy('MALFORMED', /more bytes on the link than the ring says/)
      }
    },
  ],
  [
    'more on the link than the ring says, after it said it',
    async (mapped) => {
      for (const pieces of [[[1, 2], [3]], [[1, 2, 3]], [[1], [2, 3, 4]]]) {
        const end = new HostileEnd(mapped)
        await end.preface(2)
        for (const piece of pieces) await end.say(...piece)
        await end.closedBy('MALFORMED', /bytes on the link behind those in the ring/)
      }
    },
  ],
  [
    'a link that ends before the bytes that the ring spoke of',
    async (mapped) => {
      const early = new HostileEnd(mapped)
      await early.preface(2)
      await early.say(1)
      await early.endLink()
      await early.closedBy('RESET', /the link ended early/)
      const inside = new HostileEnd(mapped)
      await inside.put(0, 0, 0)
      await inside.endLink()
      await inside.closedBy('RESET', /the link ended early/)
    },
  ],
  [
    'a link that ends before the ring does',
    async (mapped) => {
      const read = new HostileEnd(mapped)
      await read.preface(0)
      await read.put(1)
      assert.deepEqual(await read.read(), [1])
      await read.endLink()
      await read.closedBy('RESET', /the link ended, and the ring did not/)
      const unread = new HostileEnd(mapped)
      await unread.preface(0)
      await unread.put(1)
      await unread.endLink()
      assert.deepEqual(await unread.read(), [1], 'what came before is not lost')
      await unread.closedBy('RESET', /the link ended, and the ring did not/)
    },
  ],
  [
    'rings that were called off, and are used',
    async (mapped) => {
      for (const bytes of [8, 1]) {
        const end = new HostileEnd(mapped, false)
        await end.put(...new Array<number>(bytes).fill(0))
        end.stream.abandon()
        await end.closedBy('PROTOCOL', /called off/)
      }
    },
  ],
  [
    'rings that were called off, and are not used, are given back, and the link goes on',
    async (mapped) => {
      const end = new HostileEnd(mapped, false)
      end.stream.abandon()
      end.stream.abandon()
      assert.equal(end.released, 1)
      end.stream.raise()
      assert.equal(end.stream.medium, 'stream')
      await end.put(...new Array<number>(9).fill(0))
      await end.say(1)
      assert.deepEqual(await end.read(), [1])
      end.stream.close()
      assert.equal(end.released, 1)
    },
  ],
  [
    'rings that are called off after all, once they are written to',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      end.stream.abandon()
      assert.equal(end.stream.medium, 'ring')
      assert.equal(end.released, 0)
      end.stream.close()
    },
  ],
  [
    'other rings, when it has some or is over',
    async (mapped) => {
      const region = new Uint8Array(regionBytes(4096))
      formatRegion(region, 4096, KEY)
      const end = new HostileEnd(mapped)
      let given = 0
      const more = (): void => end.stream.prepare(ringsOf(region, 0, bells()[0], () => given++))
      more()
      assert.equal(given, 1)
      await end.preface(0)
      await end.put(1)
      assert.deepEqual(await end.read(), [1])
      end.stream.close()
      more()
      assert.deepEqual([given, end.released], [2, 1])
    },
  ],
  [
    'an index that cannot be, whoever meets it first',
    async (mapped) => {
      const lies: readonly ((end: HostileEnd) => unknown)[] = [
        (end) => {
          end.blocks[1].store(CELLS.WRITE_INDEX, 4)
          return end.knock()
        },
        (end) => {
          end.blocks[1].store(CELLS.WRITE_INDEX, 4)
          void Promise.resolve(end.stream.read()).catch(() => {})
        },
        (end) => {
          end.blocks[0].store(CELLS.READ_INDEX, 4)
          void end.stream.write(new Uint8Array(100_000))
        },
        async (end) => {
          const room = Promise.resolve(end.stream.write(new Uint8Array(100_000)))
          room.catch(() => {})
          end.blocks[0].store(CELLS.READ_INDEX, 4)
          await end.knock()
          await assert.rejects(soon(room), coded('MALFORMED'))
        },
      ]
      for (const lie of lies) {
        const end = new HostileEnd(mapped)
        await lie(end)
        await end.closedBy('MALFORMED', /^ring: /)
      }
    },
  ],
  [
    'bytes behind the end of the ring are not read',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      await end.preface(0)
      await end.endRing()
      assert.equal(await end.read(), undefined)
      end.blocks[1].store(CELLS.WRITE_INDEX, 4)
      await end.knock()
      await end.endLink()
      assert.equal(await end.read(), undefined)
      await soon(end.stream.end())
      assert.equal(await soon(end.stream.closed), undefined)
    },
  ],
  [
    'bytes on the link behind the end close the link',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      await end.preface(0)
      await end.endRing()
      assert.equal(await end.read(), undefined)
      await end.stream.write(new Uint8Array(1))
      await soon(end.stream.end())
      assert.equal(await soon(end.stream.closed), undefined)
      await end.say(1)
      assert.ok(coded('MALFORMED')(await soon(end.link.closed)))
    },
  ],
  [
    'an end of the link that never comes behind that of the ring closes the link when time is up',
    async (mapped) => {
      for (const honest of [true, false]) {
        const end = new HostileEnd(mapped)
        await end.preface(0)
        await end.endRing()
        assert.equal(await end.read(), undefined)
        await end.stream.write(new Uint8Array(1))
        await soon(end.stream.end())
        assert.equal(await soon(end.stream.closed), undefined)
        end.stream.close()
        await soon(end.link.read())
        assert.equal(end.poller.timers.size, 1)
        if (honest) await end.endLink()
        else for (const over of end.poller.timers) over()
        assert.equal((await soon(end.link.closed))?.code, honest ? undefined : 'DEADLINE')
        assert.equal(end.poller.timers.size, 0)
      }
    },
  ],
  [
    'a ring that begins behind the end of the link is not read',
    async (mapped) => {
      const end = new HostileEnd(mapped)
      await end.endLink()
      assert.equal(await end.read(), undefined)
      await end.preface(2 ** 53)
      await soon(end.stream.end())
      assert.equal(await soon(end.stream.closed), undefined)
    },
  ],
  [
    'its own user, who writes behind the end, and harms nobody',
    async (mapped) => {
      for (const raised of [true, false]) {
        const end = new HostileEnd(mapped, raised)
        await end.stream.write(new Uint8Array(1))
        void end.stream.end()
        await assert.rejects(soon(end.stream.write(new Uint8Array(1))), coded('ENDED'))
        await end.say(1)
        assert.deepEqual(await end.read(), [1])
        end.stream.close()
      }
    },
  ],
]
