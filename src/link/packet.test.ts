import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import {
  type ByteLink,
  flow,
  type MemoryLink,
  memoryPair,
  PacketLink,
  PacketStream,
  PrefixedLink,
  type PumpTap,
} from './index.ts'

const RUNS = { seed: 20_260_731, numRuns: 200 }

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
}

function textOf(chunk: Uint8Array | undefined): string | undefined {
  return chunk === undefined ? undefined : Buffer.from(chunk).toString()
}

function rejects(settling: unknown, code: ErrorCode): Promise<void> {
  assert.ok(settling instanceof Promise, 'should be a promise that rejects')
  return assert.rejects(settling, (error) => {
    assert.ok(error instanceof BusbarError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** One end that speaks packets, and the raw other end. */
function rawPair<Link extends ByteLink>(over: (below: ByteLink) => Link): [packets: Link, raw: MemoryLink] {
  const [a, b] = memoryPair()
  return [over(a), b]
}

async function readRaw(raw: ByteLink, bytes: number): Promise<string> {
  let all = Buffer.alloc(0)
  while (all.length < bytes) all = Buffer.concat([all, (await raw.read()) as Uint8Array])
  return all.toString('hex')
}

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let over = false
  const seen = (): void => {
    over = true
  }
  promise.then(seen, seen)
  await new Promise((resolve) => setImmediate(resolve))
  return over
}

// Both carriers of VMBus pipe packets: one keeps the boundaries, one does not.
const KINDS = {
  'packet link': (below: ByteLink): ByteLink => new PacketLink(below),
  'packet stream': (below: ByteLink): ByteLink => new PacketStream(below),
}

for (const [name, over] of Object.entries(KINDS)) {
  describe(name, () => {
    test('writes type 1 and the size, both little-endian, and size 0 as the end', async () => {
      const [packets, raw] = rawPair(over)
      await packets.write(hex('616263'))
      await packets.end()
      assert.equal(await readRaw(raw, 19), '0100000003000000616263' + '0100000000000000')
      assert.equal(await raw.read(), undefined)
    })

    test('reads them back however they are split', async () => {
      const bytes = hex('01000000 03000000 616263 01000000 01000000 64 01000000 00000000')
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
          const [packets, raw] = rawPair(over)
          const places = [...new Set(cuts)].sort((a, b) => a - b)
          let start = 0
          for (const place of [...places, bytes.length]) {
            await raw.write(bytes.subarray(start, place))
            start = place
          }
          void raw.end()
          let text = ''
          for (let chunk = await packets.read(); chunk !== undefined; chunk = await packets.read())
            text += textOf(chunk)
          assert.equal(text, 'abcd')
          await packets.end()
          assert.equal(await packets.closed, undefined)
        }),
        RUNS,
      )
    })

    const bad: Record<string, [bytes: string, code: ErrorCode]> = {
      'type 0': ['00000000 01000000 61', 'MALFORMED'],
      'type 2': ['02000000 01000000 61', 'MALFORMED'],
      'a type in the other byte order': ['00000001 01000000 61', 'MALFORMED'],
      'one byte more than is allowed': ['01000000 01000100', 'LIMIT'],
      'the largest size there is': ['01000000 ffffffff', 'LIMIT'],
      'bytes after the end packet': ['01000000 00000000 61', 'MALFORMED'],
      'a second end packet': ['01000000 00000000 01000000 00000000', 'MALFORMED'],
    }
    for (const [what, [bytes, code]] of Object.entries(bad)) {
      test(`${what} closes the link below with ${code}`, async () => {
        const [packets, raw] = rawPair(over)
        await raw.write(hex(bytes))
        await rejects(packets.read(), code)
        assert.equal((await packets.closed)?.code, code)
        assert.equal((await raw.closed)?.code, code)
        await rejects(packets.read(), code)
        await rejects(packets.write(hex('61')), code)
      })
    }

    test('bytes that come later than the end packet are refused too', async () => {
      const [packets, raw] = rawPair(over)
      await raw.write(hex('01000000 00000000'))
      const reading = packets.read()
      assert.equal(await settled(reading as Promise<unknown>), false)
      await raw.write(hex('61'))
      await rejects(reading, 'MALFORMED')
    })

    for (const [where, bytes] of Object.entries({
      '': '',
      ' inside a header': '0100',
      ' inside a packet': '01000000 04000000 61',
    })) {
      test(`a link that ends${where} without an end packet was broken`, async () => {
        const [packets, raw] = rawPair(over)
        await raw.write(hex(bytes))
        await raw.end()
        const readToEnd = async (): Promise<void> => {
          while ((await packets.read()) !== undefined);
        }
        await rejects(readToEnd(), 'RESET')
        assert.equal((await packets.closed)?.code, 'RESET')
      })
    }

    test('random bytes give data or a coded error, nothing else', async () => {
      const piece = fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(hex('01000000 02000000'), hex('01000000 00000000'), hex('01000000 ff000000')),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 10 }), async (pieces) => {
          const [packets, raw] = rawPair(over)
          for (const each of pieces) void raw.write(each)
          void raw.end()
          try {
            for (let chunk = await packets.read(); chunk !== undefined; chunk = await packets.read()) {
              assert.ok(chunk.length > 0)
            }
          } catch (thrown) {
            assert.ok(thrown instanceof BusbarError, String(thrown))
            assert.ok(['MALFORMED', 'LIMIT', 'RESET'].includes(thrown.code), thrown.code)
          }
          packets.close()
        }),
        RUNS,
      )
    })

    test('a close drops what was not read, at once', async () => {
      const [packets, raw] = rawPair(over)
      await raw.write(hex('01000000 01000000 61 01000000 01000000 62'))
      assert.equal(textOf(await packets.read()), 'a')
      packets.close(new BusbarError('CANCELLED', 'enough'))
      await rejects(packets.read(), 'CANCELLED')
    })

    test('an end whose promise nobody looks at is harmless when the link breaks', async () => {
      const [packets, raw] = rawPair(over)
      raw.close(new BusbarError('LINK_LOST', 'cut'))
      await packets.closed
      void packets.end()
      const [waiting, other] = rawPair(over)
      void waiting.write(new Uint8Array(60_000))
      for (let i = 0; i < 5; i++) void waiting.write(new Uint8Array(60_000))
      void waiting.end()
      other.close(new BusbarError('LINK_LOST', 'cut'))
      // An unhandled rejection would fail this test by itself.
      await new Promise((resolve) => setImmediate(resolve))
    })
  })
}

describe('packet link', () => {
  test('holds no more than one message and one chunk of a peer that keeps sending', async () => {
    const [packets, raw] = rawPair((below) => new PacketLink(below, 10))
    const flood = new Uint8Array(300_000).fill(1)
    void raw.write(hex('01000000 0a000000'))
    void raw.write(flood)
    assert.equal((await packets.read())?.length, 10)
    // What follows is no header: it ends there, with most of the flood never taken.
    await rejects(packets.read(), 'MALFORMED')
  })

  test('gives all whole messages that are here in one batch, and the rest in the next, however they are split', async () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(messages, fc.array(fc.nat(1400), { maxLength: 12 }), async (all, places) => {
        const [writer, encoded] = rawPair((below) => new PacketLink(below))
        for (const message of all) void writer.write(message)
        await writer.end()
        const bytes = Buffer.concat(await rest(encoded))

        const [reader, raw] = rawPair((below) => new PacketLink(below))
        const got: string[] = []
        const reading = (async () => {
          for (let batch = await reader.readBatch(); batch !== undefined; batch = await reader.readBatch()) {
            assert.ok(batch.length > 0)
            got.push(...batch.map((message) => Buffer.from(message).toString('hex')))
          }
        })()
        let start = 0
        for (const place of [...new Set(places)].sort((a, b) => a - b).filter((at) => at < bytes.length)) {
          await raw.write(bytes.subarray(start, place))
          start = place
        }
        await raw.write(bytes.subarray(start))
        await raw.end()
        await reading
        assert.deepEqual(
          got,
          all.map((message) => Buffer.from(message).toString('hex')),
        )
      }),
      RUNS,
    )
  })

  test('gives the messages before a wrong header, and then the error', async () => {
    const [packets, raw] = rawPair((below) => new PacketLink(below))
    await raw.write(hex('01000000 01000000 61 01000000 01000000 62 02000000 01000000 63'))
    assert.deepEqual((await packets.readBatch())?.map(textOf), ['a', 'b'])
    await rejects(packets.readBatch(), 'MALFORMED')
    assert.equal((await raw.closed)?.code, 'MALFORMED')
  })

  test('sends the first message of a turn at once, the others together when it is over, and none behind the end', async () => {
    const chunks: string[] = []
    const [packets] = rawPair((below) => {
      const { write } = below
      below.write = (chunk) => {
        chunks.push(Buffer.from(chunk).toString('hex'))
        return write.call(below, chunk)
      }
      return new PacketLink(below)
    })
    const message = (text: string): string => `0100000001000000${Buffer.from(text).toString('hex')}`
    void packets.write(hex('61'))
    assert.deepEqual(chunks, [message('a')])
    void packets.write(hex('62'))
    void packets.write(hex('63'))
    assert.deepEqual(chunks, [message('a')])
    await Promise.resolve()
    assert.deepEqual(chunks.splice(0), [message('a'), message('b') + message('c')])
    void packets.write(hex('64'))
    void packets.write(hex('65'))
    void packets.write(new Uint8Array(5000))
    void packets.write(hex('66'))
    await packets.end()
    assert.deepEqual(
      chunks.map((chunk) => chunk.slice(0, 36)),
      [message('d'), message('e'), '0100000088130000', '0'.repeat(36), message('f'), '0100000000000000'],
    )
  })

  test('refuses a message above its own limit in both directions', async () => {
    const [packets, raw] = rawPair((below) => new PacketLink(below, 4))
    await rejects(packets.write(new Uint8Array(5)), 'LIMIT')
    await raw.write(hex('01000000 05000000 6162636465'))
    await rejects(packets.read(), 'LIMIT')
  })
})

describe('packet stream', () => {
  test('hands a packet on as it arrives', async () => {
    const [packets, raw] = rawPair((below) => new PacketStream(below))
    await raw.write(hex('01000000 03000000 61'))
    assert.equal(textOf(await packets.read()), 'a')
    await raw.write(hex('62'))
    assert.equal(textOf(await packets.read()), 'b')
  })

  test('cuts what is longer than a packet', async () => {
    const [packets, raw] = rawPair((below) => new PacketStream(below))
    const writing = packets.write(new Uint8Array(65_537))
    assert.equal((await readRaw(raw, 8)).slice(0, 16), '0100000000000100')
    raw.close()
    await Promise.resolve(writing).catch(() => {})
  })

  test('refuses a second read at any moment, and keeps the order of the bytes', async () => {
    const [packets, raw] = rawPair((below) => new PacketStream(below))
    const first = packets.read()
    void raw.write(hex('01000000 01000000 61'))
    void raw.write(hex('01000000 01000000 62'))
    // The first read has its bytes and has not run on yet.
    await rejects(packets.read(), 'INVALID_ARGUMENT')
    assert.equal(textOf(await first), 'a')
    assert.equal(textOf(await packets.read()), 'b')
  })
})

describe('packets that are left whole', () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
  const cuts = fc.array(fc.nat(200), { maxLength: 12 })

  test('pass with their headers however they are split, and a tap hears their payload from any packet on', async () => {
    await fc.assert(
      fc.asyncProperty(payloads, cuts, fc.nat(5), async (all, places, tapped) => {
        const [writer, encoded] = rawPair((below) => new PacketStream(below))
        for (const payload of all) await writer.write(payload)
        await writer.end()
        const bytes = Buffer.concat(await rest(encoded))

        const [whole, raw] = rawPair((below) => new PacketStream(below))
        whole.leaveWhole()
        let start = 0
        for (const place of [...new Set(places)].sort((a, b) => a - b).filter((at) => at < bytes.length)) {
          await raw.write(bytes.subarray(start, place))
          start = place
        }
        await raw.write(bytes.subarray(start))
        await raw.end()

        const [passed, heard, expected] = [[] as Uint8Array[], [] as Uint8Array[], [] as Uint8Array[]]
        let tap: PumpTap | undefined
        for (let chunk = await whole.read(); chunk !== undefined; chunk = await whole.read()) {
          tap?.bytes(chunk)
          passed.push(chunk)
          if (passed.length === tapped) {
            tap = whole.payloadTap({ bytes: (part) => heard.push(part), ended: () => {} })
            expected.push(Buffer.concat(all).subarray(payloadIn(Buffer.concat(passed))))
          }
        }
        assert.equal(Buffer.concat(passed).toString('hex'), bytes.subarray(0, -8).toString('hex'))
        assert.equal(Buffer.concat(passed).length - whole.headersRead, Buffer.concat(all).length)
        assert.equal(Buffer.concat(heard).toString('hex'), Buffer.concat(expected).toString('hex'))
      }),
      RUNS,
    )
  })

  test('are written as they are, behind them the end', async () => {
    const [whole, raw] = rawPair((below) => new PacketStream(below))
    whole.leaveWhole()
    await whole.write(hex('0100000001000000'))
    await whole.write(hex('61'))
    await whole.end()
    assert.equal(Buffer.concat(await rest(raw)).toString('hex'), '010000000100000061' + '0100000000000000')
  })

  test('are checked', async () => {
    for (const [bytes, code] of [
      ['0200000001000000', 'MALFORMED'],
      ['0100000001000100', 'LIMIT'],
      ['010000000100000061', 'RESET'],
      ['010000000000000061', 'MALFORMED'],
    ] as const) {
      for (const size of [1, 3, 100]) {
        const [whole, raw] = rawPair((below) => new PacketStream(below))
        whole.leaveWhole()
        const all = hex(bytes)
        for (let at = 0; at < all.length; at += size) void raw.write(all.subarray(at, at + size))
        void raw.end()
        const read = async (): Promise<void> => {
          while ((await whole.read()) !== undefined) {}
        }
        await rejects(read(), code)
      }
    }
  })
})

async function rest(raw: ByteLink): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for (let chunk = await raw.read(); chunk !== undefined; chunk = await raw.read()) chunks.push(chunk)
  return chunks
}

/** How many payload bytes there are in whole packets and the beginning of one. */
function payloadIn(packets: Buffer): number {
  let payload = 0
  for (let at = 0; at < packets.length; ) {
    const size = Math.min(packets.readUInt32LE(at + 4), packets.length - at - 8)
    payload += size
    at += 8 + size
  }
  return payload
}

describe('behind the end packet a packet stream takes nothing', () => {
  const readers: Record<string, (packets: PacketStream, take: (chunk: Uint8Array) => void) => void> = {
    'read by read': (packets, take) => {
      const read = async (): Promise<void> => {
        for (let chunk = await packets.read(); chunk !== undefined; chunk = await packets.read()) take(chunk)
      }
      read().catch(() => {})
    },
    'as it flows': (packets, take) => flow(packets, { chunk: take, end: () => {} }),
  }
  for (const [how, reader] of Object.entries(readers)) {
    for (const whole of [false, true]) {
      test(`${how}, ${whole ? 'packets left whole' : 'taken apart'}, however it is split`, async () => {
        for (const behind of ['61', '010000000100000062', '0100000000000000', '0100000001000000620100000000000000']) {
          for (const size of [1, 3, 8, 9, 17, 100]) {
            const [packets, raw] = rawPair((below) => new PacketStream(below))
            if (whole) packets.leaveWhole()
            const taken: Uint8Array[] = []
            reader(packets, (chunk) => void taken.push(chunk))
            const all = hex(`010000000100000061 0100000000000000 ${behind}`)
            for (let at = 0; at < all.length; at += size) void raw.write(all.subarray(at, at + size))
            void raw.end()
            assert.equal((await packets.closed)?.code, 'MALFORMED', `${behind} in pieces of ${size}`)
            assert.equal(
              Buffer.concat(taken)
                .toString('hex')
                .slice(whole ? 16 : 0),
              '61',
            )
          }
        }
      })
    }
  }
})

describe('prefixed link', () => {
  test('gives the prefix first and then what follows', async () => {
    const [a, b] = memoryPair()
    const link = new PrefixedLink(hex('6162'), a)
    await b.write(hex('63'))
    await b.end()
    assert.deepEqual([textOf(await link.read()), textOf(await link.read()), await link.read()], ['ab', 'c', undefined])
    await link.write(hex('64'))
    await link.end()
    assert.equal(textOf(await b.read()), 'd')
    assert.equal(await b.read(), undefined)
    assert.equal(await link.closed, undefined)
  })

  test('gives no empty chunk for an empty prefix, and no prefix after a close', async () => {
    const [a, b] = memoryPair()
    const empty = new PrefixedLink(new Uint8Array(0), a)
    await b.write(hex('63'))
    assert.equal(textOf(await empty.read()), 'c')
    const closed = new PrefixedLink(hex('61'), empty)
    closed.close(new BusbarError('CANCELLED', 'enough'))
    await rejects(closed.read(), 'CANCELLED')
    assert.equal((await b.closed)?.code, 'CANCELLED')
  })
})
