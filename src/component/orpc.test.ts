import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader, Slab, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { crossing, decodeError, encodeError } from './errors.ts'
import { code } from './harness.test.ts'
import { codeOf, failed, hresultOf } from './hresult.ts'
import { decodeObjRef, encodeObjRef } from './objref.ts'
import { beginAnswer, CallFront, readThat, readThis } from './orpc.ts'
import { deadlineExtent } from './terms.ts'

const RANDOM = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i)

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function plain(text: string): string {
  return text.replaceAll(/\s/g, '')
}

describe('ORPCTHIS', () => {
  test('without extents: version 5.7, flags, reserved, causality, null', () => {
    const front = new CallFront(RANDOM, new Slab())
    front.begin(0).finish()
    const bytes = front.begin(0).finish()
    assert.equal(hex(bytes), plain('0500 0700 00000000 00000000 02000000 f4f5 f6f7 f8f9fafbfcfdfeff 00000000'))
    assert.equal(readThis(new Reader(bytes)), undefined)
  })

  test('with the extent that carries a deadline', () => {
    const bytes = new CallFront(RANDOM, new Slab()).begin(0, [deadlineExtent(1500)]).finish()
    assert.equal(
      hex(bytes),
      plain(`0500 0700 00000000 00000000 01000000 f4f5 f6f7 f8f9fafbfcfdfeff 00000200
        01000000 00000000 00000200 02000000 00000200 00000000
        08000000 ${hex(bytes.subarray(60, 76))} 08000000 dc05000000000000`),
    )
    const reader = new Reader(bytes)
    assert.deepEqual(readThis(reader), { deadline: 1500 })
    reader.done('ORPCTHIS')
  })

  test('deadlines are rounded up and capped at what 32 bits carry', () => {
    for (const [given, read] of [
      [0, 0],
      [0.2, 1],
      [2 ** 40, 0xffff_ffff],
    ] as const) {
      const bytes = new CallFront(RANDOM, new Slab()).begin(0, [deadlineExtent(given)]).finish()
      assert.equal(readThis(new Reader(bytes))?.deadline, read)
    }
  })

  test('another major version is refused', () => {
    const bytes = new CallFront(RANDOM, new Slab()).begin(0).finish().slice()
    bytes[0] = 6
    assert.throws(() => readThis(new Reader(bytes)), code('VERSION', /6\.7/))
  })
})

test('ORPCTHAT without extents', () => {
  const results = (size: number): Writer => new Writer(true, 100, size)
  const bytes = beginAnswer({ results }, 0, undefined).finish()
  assert.equal(hex(bytes), '0000000000000000')
  assert.equal(readThat(new Reader(bytes)), undefined)
})

describe('OBJREF', () => {
  const ref = {
    iid: '11223344-5566-7788-99aa-bbccddeeff00',
    ipid: 'a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf',
    references: 1,
    oxid: 0x0102030405060708n,
    oid: 9n,
  }
  const bytes = encodeObjRef(ref)
  test('standard, no pings, without bindings', () => {
    assert.equal(
      hex(bytes),
      plain(`4d454f57 01000000 443322116655887799aabbccddeeff00
        00100000 01000000 0807060504030201 0900000000000000 a3a2a1a0a5a4a7a6a8a9aaabacadaeaf
        0400 0200 0000 0000 0000 0000`),
    )
    assert.deepEqual(decodeObjRef(bytes), ref)
  })

  test('bindings are stepped over, never followed', () => {
    const bound = new Uint8Array(bytes.length + 40)
    bound.set(bytes)
    new DataView(bound.buffer).setUint16(64, 24, true)
    assert.deepEqual(decodeObjRef(bound), ref)
  })

  test('what is refused', () => {
    const change = (at: number, value: number): Uint8Array => {
      const changed = bytes.slice()
      new DataView(changed.buffer).setUint32(at, value, true)
      return changed
    }
    assert.throws(() => decodeObjRef(change(0, 1)), code('MALFORMED', /begins/))
    assert.throws(() => decodeObjRef(change(4, 4)), code('UNAVAILABLE', /kind 4/))
    assert.throws(() => decodeObjRef(change(64, 0x0005_0004)), code('MALFORMED', /security/))
    assert.throws(() => decodeObjRef(change(64, 0x0002_ffff)), code('MALFORMED'))
    assert.throws(() => decodeObjRef(change(64, 0x0002_0003)), code('MALFORMED', /left over/))
    for (let i = 0; i < bytes.length; i++) assert.throws(() => decodeObjRef(bytes.subarray(0, i)), code('MALFORMED'))
  })
})

describe('errors on the wire', () => {
  test('code, name, own code, message', () => {
    const data = encodeError(crossing(Object.assign(new Error('no'), { code: 'ENOENT' })))
    assert.equal(hex(data), plain('8c130000 0500 4572726f72 0600 454e4f454e54 0200 6e6f'))
    const error = decodeError(data, 0x8000_4005, 'a.b')
    assert.equal(error.message, 'a.b failed: Error ENOENT: no')
  })

  test('a code that may not cross arrives as FAULT, whatever the peer says', () => {
    const data = encodeError({ code: 'LINK_LOST', remote: { name: 'x', code: undefined, message: 'y' } })
    assert.equal(decodeError(data, 0x8000_4005, 'a.b').code, 'FAULT')
    const unknown = data.slice()
    unknown[0] = 0xff
    assert.equal(decodeError(unknown, 0x8000_4005, 'a.b').code, 'FAULT')
  })

  test('broken extents are refused', () => {
    const data = encodeError(crossing(new Error('no')))
    for (let i = 0; i < data.length; i++) {
      assert.throws(() => decodeError(data.subarray(0, i), 0x8000_4005, ''), code('MALFORMED'))
    }
  })

  test('a foreign peer sends only an HRESULT', () => {
    for (const [hresult, expected] of [
      [0x8007_0005, 'DENIED'],
      [0x8001_0108, 'NO_SUCH_OBJECT'],
      [0x8000_4005, 'FAULT'],
      [0x8765_4321, 'FAULT'],
    ] as const) {
      assert.equal(decodeError(undefined, hresult, '').code, expected)
      assert.equal(codeOf(hresult), expected)
    }
    assert.equal(hresultOf('DENIED'), 0x8007_0005)
    assert.equal(hresultOf('LINK_LOST'), 0x8000_4005)
    assert.deepEqual([failed(0), failed(1), failed(0x8000_0000)], [false, false, true])
  })

  test('a value that cannot even be turned into text', () => {
    const odd = new Proxy(
      {},
      {
        get() {
          throw new BusbarError('INTERNAL', 'looked at')
        },
      },
    )
    assert.equal(crossing(odd).remote.message, 'thrown: object')
  })
})
