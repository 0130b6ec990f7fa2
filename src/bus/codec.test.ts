import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import { encodeMessage, MessageDecoder } from './codec.ts'
import { CODE, EPOCH, type Field, ID, MODE, NAME, TEXT, TOKEN, U32 } from './fields.ts'
import { DEFAULT_BUS_LIMITS } from './limits.ts'
import { MESSAGES, type Message, type MessageKind } from './messages.ts'

const MAX = DEFAULT_BUS_LIMITS.controlMessage
const SEED = 20_260_731
const RUNS = { seed: SEED, numRuns: 300 }

/** Hex with blanks between the fields, so that the vectors can be checked by eye. */
function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
}

const TOKEN_BYTES = hex('000102030405060708090a0b0c0d0e0f')

// length, number, fields: computed by hand from docs/protocol/control.md.
const VECTORS: readonly [Message, string][] = [
  [{ kind: 'requestOffers' }, '04000000 03000000'],
  [{ kind: 'allOffersDelivered' }, '04000000 04000000'],
  [{ kind: 'unload' }, '04000000 10000000'],
  [{ kind: 'unloadResponse' }, '04000000 11000000'],
  [{ kind: 'initiateContact', oldest: 1, newest: 2, features: 0 }, '10000000 0e000000 01000000 02000000 00000000'],
  [
    { kind: 'versionResponse', version: 1, features: 0, partition: 'web', epoch: 2, token: TOKEN_BYTES },
    '25000000 0f000000 01000000 00000000 0300 776562 02000000 000102030405060708090a0b0c0d0e0f',
  ],
  [
    {
      kind: 'openChannel',
      channelId: 5,
      offerId: 0,
      partition: 'db',
      service: 'sql',
      mode: 'message',
      deadline: 500,
      caller: '',
      callerEpoch: 0,
    },
    '20000000 05000000 05000000 00000000 0200 6462 0300 73716c 04 f4010000 0000 00000000',
  ],
  [{ kind: 'openResult', channelId: 3, code: 3003, text: 'no' }, '10000000 06000000 03000000 bb0b0000 0200 6e6f'],
  [{ kind: 'closeChannel', channelId: 258, code: 4001, text: '' }, '0e000000 07000000 02010000 a10f0000 0000'],
  [
    { kind: 'offer', offerId: 1, partition: 'a', service: 'b', mode: 'byte', contract: 'é' },
    '13000000 01000000 01000000 0100 61 0100 62 00 0200 c3a9',
  ],
  [{ kind: 'rescindOffer', offerId: 1, code: 4003, text: '' }, '0e000000 02000000 01000000 a30f0000 0000'],
  [
    { kind: 'makeOffer', offerId: 9, service: 's', mode: 'byte', contract: '' },
    '0e000000 40000000 09000000 0100 73 00 0000',
  ],
  [{ kind: 'offerResult', offerId: 9, code: 0, text: '' }, '0e000000 41000000 09000000 00000000 0000'],
  [{ kind: 'withdrawOffer', offerId: 9 }, '08000000 42000000 09000000'],
  [
    { kind: 'attachStream', token: TOKEN_BYTES, channelId: 7 },
    '18000000 43000000 000102030405060708090a0b0c0d0e0f 07000000',
  ],
  [
    {
      kind: 'offerRing',
      channelId: 7,
      process: 4711,
      memory: 20,
      callerBell: 21,
      serviceBell: 23,
      side: 1,
      key: TOKEN_BYTES,
    },
    '2c000000 44000000 07000000 67120000 14000000 15000000 17000000 01000000 000102030405060708090a0b0c0d0e0f',
  ],
  [{ kind: 'ringResult', channelId: 7, code: 1006, text: 'no' }, '10000000 45000000 07000000 ee030000 0200 6e6f'],
  [{ kind: 'useRing', channelId: 7, code: 0, text: '' }, '0e000000 46000000 07000000 00000000 0000'],
  [
    { kind: 'offerPlace', channelId: 7, region: 2, offset: 536_576, length: 4096, side: 1, key: TOKEN_BYTES },
    '28000000 47000000 07000000 02000000 00300800 00100000 01000000 000102030405060708090a0b0c0d0e0f',
  ],
  [{ kind: 'ringBell', channelId: 7 }, '08000000 48000000 07000000'],
  [{ kind: 'releasePlace', channelId: 7 }, '08000000 49000000 07000000'],
  [{ kind: 'ping' }, '04000000 4a000000'],
  [{ kind: 'pingResult' }, '04000000 4b000000'],
]

const utf8 = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: max }).filter((text) => Buffer.byteLength(text) <= max)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })

const VALUES: ReadonlyMap<unknown, fc.Arbitrary<unknown>> = new Map<unknown, fc.Arbitrary<unknown>>([
  [U32, u32],
  [ID, u32],
  [CODE, u32],
  [EPOCH, u32],
  [NAME, utf8(128)],
  [TEXT, utf8(1024)],
  [TOKEN, bytes16],
  [MODE, fc.constantFrom('byte', 'message')],
])

const kinds = Object.keys(MESSAGES) as MessageKind[]

/** Any message of a kind, made from the table: a kind that is added later is tried as well. */
function messageOf(kind: MessageKind): fc.Arbitrary<Message> {
  const fields = Object.entries(MESSAGES[kind].fields) as [string, Field<unknown>][]
  const record: Record<string, fc.Arbitrary<unknown>> = { kind: fc.constant(kind) }
  for (const [name, field] of fields) record[name] = VALUES.get(field) as fc.Arbitrary<unknown>
  return fc.record(record, { noNullPrototype: true }) as unknown as fc.Arbitrary<Message>
}

const anyMessage = fc.constantFrom(...kinds).chain(messageOf)

/** Pushes the chunks one by one and takes out what is whole; checks after each that no more than one message is held. */
function decode(chunks: readonly Uint8Array[], max = MAX): Message[] {
  const decoder = new MessageDecoder(max)
  const messages: Message[] = []
  for (const chunk of chunks) {
    decoder.push(chunk)
    for (let message = decoder.next(); message !== undefined; message = decoder.next()) messages.push(message)
    assert.ok(decoder.pending <= max, `${decoder.pending} bytes are held`)
  }
  return messages
}

function malformed(bytes: Uint8Array, max = MAX): void {
  assert.throws(
    () => decode([bytes], max),
    (error) => error instanceof BusbarError && error.code === 'MALFORMED',
  )
}

/** `bytes` cut at the given places. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length))
}

function plain(message: Message): unknown {
  return 'token' in message ? { ...message, token: [...message.token] } : message
}

describe('known bytes', () => {
  for (const [message, bytes] of VECTORS) {
    test(message.kind, () => {
      assert.equal(Buffer.from(encodeMessage(message)).toString('hex'), bytes.replaceAll(' ', ''))
      assert.deepEqual(decode([hex(bytes)]).map(plain), [plain(message)])
    })
  }

  test('of every kind', () => {
    assert.deepEqual(new Set(VECTORS.map(([{ kind }]) => kind)), new Set(kinds))
  })
})

describe('messages', () => {
  for (const kind of kinds) {
    test(`${kind} comes back as it was`, () => {
      fc.assert(
        fc.property(messageOf(kind), (message) => {
          assert.deepEqual(decode([encodeMessage(message)]).map(plain), [plain(message)])
        }),
        RUNS,
      )
    })
  }

  test('are the same however the bytes are split', () => {
    const cuts = fc.array(fc.nat(100_000), { maxLength: 30 })
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 8 }), cuts, (messages, places) => {
        const stream = new Uint8Array(Buffer.concat(messages.map(encodeMessage)))
        assert.deepEqual(decode(split(stream, places)).map(plain), messages.map(plain))
      }),
      RUNS,
    )
  })

  test('come out of single bytes', () => {
    const stream = new Uint8Array(Buffer.concat(VECTORS.map(([message]) => encodeMessage(message))))
    assert.deepEqual(decode(split(stream, [...stream.keys()])).length, VECTORS.length)
  })

  test('fit the limit at their longest', () => {
    const long = { partition: 'p'.repeat(128), service: 's'.repeat(128), caller: 'c'.repeat(128) }
    const text = 't'.repeat(1024)
    const longest: Message[] = [
      { kind: 'openChannel', channelId: 1, offerId: 1, mode: 'byte', deadline: 0, callerEpoch: 1, ...long },
      { kind: 'offer', offerId: 1, mode: 'byte', contract: text, partition: long.partition, service: long.service },
      { kind: 'closeChannel', channelId: 1, code: 1, text },
    ]
    assert.deepEqual(decode(longest.map(encodeMessage)), longest)
  })

  test('an explanation that is too long is cut to one that the other side takes', () => {
    for (const letter of ['x', 'é', '漢', '😀']) {
      const [message] = decode([
        encodeMessage({ kind: 'closeChannel', channelId: 1, code: 1, text: letter.repeat(5000) }),
      ])
      assert.ok(message?.kind === 'closeChannel' && message.text.startsWith(letter))
    }
  })
})

describe('bad bytes', () => {
  test('random bytes give messages or MALFORMED, nothing else', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      // With a length and a number that are right, so that the fields are reached.
      fc.tuple(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 200 })).map(([kind, body]) => {
        const head = new DataView(new ArrayBuffer(8))
        head.setUint32(0, 4 + body.length, true)
        head.setUint32(4, MESSAGES[kind].number, true)
        return new Uint8Array([...new Uint8Array(head.buffer), ...body])
      }),
    )
    fc.assert(
      fc.property(noise, fc.array(fc.nat(1000), { maxLength: 5 }), (bytes, cuts) => {
        try {
          decode(split(bytes, cuts))
        } catch (thrown) {
          assert.ok(thrown instanceof BusbarError, String(thrown))
          assert.equal(thrown.code, 'MALFORMED')
        }
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })

  test('a message that ends too early or too late for its length', () => {
    fc.assert(
      fc.property(anyMessage, fc.integer({ min: -1000, max: 8 }), (message, change) => {
        const bytes = encodeMessage(message)
        const length = Math.max(4, bytes.length - 4 + change)
        if (length === bytes.length - 4) return
        const changed = new Uint8Array(4 + length)
        changed.set(bytes.subarray(0, changed.length))
        new DataView(changed.buffer).setUint32(0, length, true)
        malformed(changed)
      }),
      RUNS,
    )
  })

  test('half a message is held and nothing is given', () => {
    for (const [message] of VECTORS) {
      const bytes = encodeMessage(message)
      for (let end = 0; end < bytes.length; end++) assert.deepEqual(decode([bytes.subarray(0, end)]), [])
    }
  })

  test('a length beyond the limit is refused before a byte of it is waited for', () => {
    malformed(hex('01100000'))
    malformed(hex('ffffffff'))
    malformed(hex('09000000'), 8)
    assert.deepEqual(decode([hex('00100000')]), [])
  })

  test('a length that has no room for the number', () => {
    for (const length of [0, 1, 2, 3]) malformed(hex(`0${length}000000 0000000000000000`))
  })

  test('numbers that no message has', () => {
    for (const number of ['00', '08', '12', '3f', '44', 'ff']) malformed(hex(`04000000 ${number}000000`))
    malformed(hex('04000000 030000ff'))
  })

  test('a pipe mode that is none', () => {
    for (const mode of ['01', '02', '03', '05', 'ff']) malformed(hex(`0e000000 40000000 09000000 0100 73 ${mode} 0000`))
  })

  test('texts that are too long, or no UTF-8', () => {
    const name = Buffer.alloc(129, 'a').toString('hex')
    malformed(hex(`8e000000 40000000 09000000 8100 ${name} 00 0000`))
    malformed(hex('0e000000 40000000 09000000 0100 ff 00 0000'))
    malformed(hex('0f000000 40000000 09000000 0200 c0af 00 0000'))
    malformed(hex('10000000 40000000 09000000 0300 eda080 00 0000'))
  })
})
