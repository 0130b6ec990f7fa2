import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeAuthTrailer } from './auth.ts'
import {
  decodeBind,
  decodeBindAck,
  decodeBindNak,
  encodeBind,
  encodeBindAck,
  encodeBindNak,
  NAK,
  RESULT,
} from './bind.ts'
import {
  readContextId,
  readHint,
  readOpnum,
  readStatus,
  stubOffset,
  writeFault,
  writeRequest,
  writeResponse,
} from './call.ts'
import { emptyHeader, encodeBare, PFC, type PduHeader, readHeader, WHOLE } from './header.ts'
import { FEATURE, featureSyntax, NDR20, NO_SYNTAX, offeredFeatures } from './syntax.ts'
import { fixedBytes, HEADER_BYTES, offsetOf, PDU_BY_NUMBER, PDUS, pduName } from './table.ts'
import { UuidMemory } from './uuid.ts'

const ECHO = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }

const BIND = `05000b13 10000000 74000000 01000000 f8fff8ff 00000000 02000000
  0000 0100 c55ea160e84dd711a637005056a20182 01000000 045d888aeb1cc9119fe808002b104860 02000000
  ffff 0100 c55ea160e84dd711a637005056a20182 01000000 2c1cb76c129840450200000000000000 01000000`
const BIND_BIG = `05000b03 00000000 00480000 00000001 fff8fff8 00000000 01000000
  0000 0100 60a15ec54de811d7a637005056a20182 00000001 8a885d041ceb11c99fe808002b104860 00000002`
const BIND_ACK = `05000c13 10000000 50000000 01000000 f8fff8ff 78563412 0100 00 00 02000000
  0000 0000 045d888aeb1cc9119fe808002b104860 02000000
  0300 0200 00000000000000000000000000000000 00000000`
const ACK_WITH_ADDRESS = '05000c03 10000000 24000000 01000000 f8fff8ff 78563412 0500 3731333500 00 00000000'
const BIND_NAK = '05000d03 10000000 18000000 01000000 0400 01 0500 000000'
const ALTER_RESP = `05000f03 10000000 38000000 02000000 f8fff8ff 78563412 0000 0000 01000000
  0200 0100 00000000000000000000000000000000 00000000`
const REQUEST = '05000003 10000000 1c000000 07000000 04000000 0100 0200 deadbeef'
const REQUEST_OBJECT = '05000083 10000000 28000000 07000000 00000000 0100 0200 d3c2b1a0f5e4170628394a5b6c7d8e9f'
const REQUEST_BIG = '05000003 00000000 001c0000 00000007 00000004 0001 0002 deadbeef'
const RESPONSE = '05000203 10000000 1c000000 07000000 04000000 0100 00 00 deadbeef'
const FAULT = '05000323 10000000 20000000 07000000 20000000 0100 00 00 0200011c 00000000'

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}

function headerOf(pdu: Uint8Array): PduHeader {
  const header = emptyHeader()
  readHeader(new DataView(pdu.buffer, pdu.byteOffset, pdu.length), 0, header)
  return header
}

function same(actual: Uint8Array, expected: string): void {
  assert.equal(Buffer.from(actual).toString('hex'), expected.replace(/\s/g, ''))
}

describe('bytes of every PDU', () => {
  test('bind with an interface and the features', () => {
    const contexts = [
      { id: 0, abstract: ECHO, transfers: [NDR20] },
      { id: 0xffff, abstract: ECHO, transfers: [featureSyntax(FEATURE.KEEP_ON_ORPHAN)] },
    ]
    const bind = { transmit: 65_528, receive: 65_528, group: 0, contexts }
    same(encodeBind(PDUS.bind.number, WHOLE | PFC.CONC_MPX, 1, bind), BIND)
    assert.deepEqual(decodeBind(hex(BIND), true), bind)
    assert.equal(offeredFeatures(contexts[1]?.transfers[0] ?? NO_SYNTAX), 2)
    assert.equal(offeredFeatures(NDR20), undefined)
  })

  test('bind of a big-endian client', () => {
    const bind = {
      transmit: 65_528,
      receive: 65_528,
      group: 0,
      contexts: [{ id: 0, abstract: ECHO, transfers: [NDR20] }],
    }
    const bytes = encodeBind(PDUS.bind.number, WHOLE, 1, bind, false)
    // The number of contexts is a byte, so it stands in front in either byte order.
    same(bytes, BIND_BIG)
    assert.deepEqual(decodeBind(hex(BIND_BIG), false), bind)
    assert.equal(headerOf(hex(BIND_BIG)).little, false)
  })

  test('alter_context differs in its type only', () => {
    const bind = {
      transmit: 65_528,
      receive: 65_528,
      group: 5,
      contexts: [{ id: 1, abstract: ECHO, transfers: [NDR20] }],
    }
    const bytes = encodeBind(PDUS.alter_context.number, WHOLE, 3, bind)
    assert.equal(bytes[2], 14)
    assert.deepEqual(decodeBind(bytes, true), bind)
  })

  test('bind_ack, alter_context_resp, bind_nak', () => {
    const ack = {
      transmit: 65_528,
      receive: 65_528,
      group: 0x1234_5678,
      results: [
        { result: RESULT.ACCEPTED, reason: 0, transfer: NDR20 },
        { result: RESULT.NEGOTIATED, reason: 2, transfer: NO_SYNTAX },
      ],
    }
    same(encodeBindAck(PDUS.bind_ack.number, WHOLE | PFC.CONC_MPX, 1, ack), BIND_ACK)
    assert.deepEqual(decodeBindAck(hex(BIND_ACK), true), ack)
    const refusal = { ...ack, results: [{ result: RESULT.PROVIDER_REJECTED, reason: 1, transfer: NO_SYNTAX }] }
    same(encodeBindAck(PDUS.alter_context_resp.number, WHOLE, 2, refusal), ALTER_RESP)
    assert.deepEqual(decodeBindAck(hex(ALTER_RESP), true), refusal)
    assert.deepEqual(decodeBindAck(encodeBindAck(PDUS.bind_ack.number, WHOLE, 1, ack, false), false), ack)
    same(encodeBindNak(1, NAK.VERSION), BIND_NAK)
    same(encodeBindAck(PDUS.bind_ack.number, WHOLE, 1, { ...ack, results: [], address: '7135' }), ACK_WITH_ADDRESS)
    assert.equal(decodeBindNak(hex(BIND_NAK), true), NAK.VERSION)
  })

  test('request, response, fault', () => {
    const bytes = new Uint8Array(40)
    const view = new DataView(bytes.buffer)
    bytes.set(hex('deadbeef'), 24)
    writeRequest(view, 0, WHOLE, 28, 7, 4, 1, 2)
    same(bytes.subarray(0, 28), REQUEST)
    writeResponse(view, 0, WHOLE, 28, 7, 4, 1)
    same(bytes.subarray(0, 28), RESPONSE)
    writeRequest(view, 0, WHOLE, 28, 7, 4, 1, 2, false)
    same(bytes.subarray(0, 28), REQUEST_BIG)
    writeFault(view, 0, 7, 1, 0x1c01_0002, true)
    same(bytes.subarray(0, 32), FAULT)
  })

  test('fields of a request and a fault, in both byte orders', () => {
    for (const [text, little] of [
      [REQUEST, true],
      [REQUEST_BIG, false],
    ] as const) {
      const pdu = hex(text)
      const view = new DataView(pdu.buffer)
      const header = headerOf(pdu)
      assert.deepEqual({ ...header }, { minor: 0, type: 0, flags: 3, little, length: 28, authLength: 0, callId: 7 })
      assert.deepEqual(
        [readHint(view, 0, little), readContextId(view, 0, little), readOpnum(view, 0, little)],
        [4, 1, 2],
      )
      assert.equal(stubOffset(header), 24)
    }
    assert.equal(readStatus(new DataView(hex(FAULT).buffer), 0, true), 0x1c01_0002)
  })

  test('the object UUID of a request, first met and met again', () => {
    const memory = new UuidMemory()
    const pdu = hex(REQUEST_OBJECT)
    const view = new DataView(pdu.buffer)
    assert.equal(stubOffset(headerOf(pdu)), 40)
    for (let i = 0; i < 2; i++) assert.equal(memory.read(view, 24, true), 'a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f')
    assert.equal(memory.read(view, 24, false), 'd3c2b1a0-f5e4-1706-2839-4a5b6c7d8e9f')
    assert.equal(memory.read(view, 24, true), 'a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f')
    for (let i = 0; i < 2; i++) same(memory.bytes('a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f'), REQUEST_OBJECT.slice(-32))
    const short = { ...headerOf(pdu), length: 39 }
    assert.throws(() => stubOffset(short), { code: 'MALFORMED' })
  })

  test('PDUs that are nothing but a header', () => {
    same(encodeBare(PDUS.shutdown.number, 0), '05001103100000001000000000000000')
    same(encodeBare(PDUS.co_cancel.number, 9), '05001203100000001000000009000000')
    same(encodeBare(PDUS.orphaned.number, 9, false), '05001303000000000010000000000009')
  })

  test('a security trailer is parsed to be refused', () => {
    const auth3 = hex(
      '05001003 10000000 24000000 02000000'.replace('24000000', '24000800') +
        '00000000 0a050000 39300000 4e544c4d53535000',
    )
    const header = headerOf(auth3)
    assert.equal(header.authLength, 8)
    const token = hex('4e544c4d53535000')
    const said = { type: 10, level: 5, padding: 0, contextId: 12_345, body: 20, token }
    assert.deepEqual(decodeAuthTrailer(header, auth3), said)
    assert.throws(() => decodeAuthTrailer({ ...header, authLength: 13 }, auth3), { code: 'MALFORMED' })
    const padded = auth3.slice()
    padded[22] = 5
    assert.throws(() => decodeAuthTrailer(header, padded), { code: 'MALFORMED' })
  })
})

describe('the table', () => {
  test('sizes and offsets as the standard has them', () => {
    assert.deepEqual(
      (['request', 'response', 'fault', 'bind', 'bind_ack', 'bind_nak', 'auth3', 'co_cancel'] as const).map(fixedBytes),
      [24, 24, 32, 24, 24, 18, 16, 16],
    )
    assert.equal(offsetOf('request', 'opnum'), 22)
    assert.equal(offsetOf('fault', 'status'), 24)
    assert.throws(() => offsetOf('fault', 'opnum'), { code: 'INTERNAL' })
    assert.equal(PDU_BY_NUMBER.filter((each) => each !== undefined).length, 12)
    assert.equal(pduName(0), 'request')
    assert.equal(pduName(20), 'PDU type 20')
  })
})

describe('headers that cannot be', () => {
  const good = hex(REQUEST).subarray(0, HEADER_BYTES)
  const cases: [string, number, number][] = [
    ['another major version', 0, 4],
    ['a connectionless PDU', 2, 1],
    ['RTS', 2, 20],
    ['no PDU at all', 2, 255],
    ['EBCDIC', 4, 0x11],
    ['VAX floats', 5, 1],
    ['shorter than its fixed part', 8, 23],
    ['empty', 8, 0],
  ]
  for (const [name, at, value] of cases) {
    test(name, () => {
      const bad = good.slice()
      bad[at] = value
      assert.throws(() => readHeader(new DataView(bad.buffer), 0, emptyHeader()), { code: 'MALFORMED' })
    })
  }
  test('binds that cannot be', () => {
    const whole = hex(BIND)
    for (let length = HEADER_BYTES; length < whole.length; length++) {
      assert.throws(() => decodeBind(whole.subarray(0, length), true), { code: 'MALFORMED' })
    }
    const none = whole.slice(0, 28)
    none[24] = 0
    assert.throws(() => decodeBind(none, true), { code: 'MALFORMED' })
    const noTransfer = whole.slice()
    noTransfer[30] = 0
    assert.throws(() => decodeBind(noTransfer, true), { code: 'MALFORMED' })
    assert.throws(() => decodeBind(Uint8Array.of(...whole, 0), true), { code: 'MALFORMED' })
    const ack = hex(BIND_ACK)
    for (let length = HEADER_BYTES; length < ack.length; length++) {
      assert.throws(() => decodeBindAck(ack.subarray(0, length), true), { code: 'MALFORMED' })
    }
  })
})
