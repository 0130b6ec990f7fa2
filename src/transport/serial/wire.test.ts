import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SerialDecoder } from './decoder.ts'
import { FrameEncoder } from './encoder.ts'
import { cutMarker, findMarker } from './marker.ts'
import { decodeHello, encodeHello, FRAME, HELLO, HELLO_BODY_BYTES, MARKER, readHeader, writeHeader } from './wire.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const MARKER_HEX = 'f59be3c78db2fad6a9ee91cbb8e59cd3'

/** What a decoder hears, as text, payloads of one frame or more joined. */
class Listener {
  readonly heard: string[] = []
  readonly decoder: SerialDecoder
  #data = ''

  constructor(open: boolean) {
    this.decoder = new SerialDecoder({
      hello: ({ kind, nonce, echo }, whole) => this.#note(`hello ${kind} ${nonce} ${echo} ${whole}`),
      data: (bytes) => {
        this.#data += hex(bytes)
      },
      end: () => this.#note('end'),
      close: (code) => this.#note(`close ${code}`),
      broken: () => this.#note('broken'),
    })
    if (open) this.decoder.open()
  }

  push(bytes: Uint8Array, cuts: readonly number[] = []): string[] {
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      this.decoder.push(bytes.slice(at, at + cut))
      at = Math.min(bytes.length, at + cut)
    }
    this.#flush()
    return this.heard
  }

  #note(what: string): void {
    this.#flush()
    this.heard.push(what)
  }

  #flush(): void {
    if (this.#data !== '') this.heard.push(this.#data)
    this.#data = ''
  }
}

/** Payloads made of what could be mistaken for something else. */
const hostile: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 1, max: 16 }).map((size) => MARKER.slice(0, size)),
      fc.constant(encodeHello({ kind: HELLO.ANSWER, nonce: 'nonce of a', echo: 'nonce of b' })),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)))

test('the marker is sixteen different bytes, none below 0x80', () => {
  assert.equal(hex(MARKER), MARKER_HEX)
  assert.equal(new Set(MARKER).size, 16)
  assert.ok(MARKER.every((byte) => byte >= 0x80))
})

test('a HELLO in hex', () => {
  const seek = encodeHello({ kind: HELLO.SEEK, nonce: '0123456789', echo: '' })
  assert.equal(hex(seek), `${MARKER_HEX}0100${'30313233343536373839'}${'00'.repeat(10)}`)
  const late = encodeHello({ kind: HELLO.LATE, nonce: '0123456789', echo: 'abcdefghij' })
  assert.equal(hex(late), `${MARKER_HEX}0102${'30313233343536373839'}${'6162636465666768696a'}`)
  assert.deepEqual(decodeHello(late.subarray(16)), { kind: HELLO.LATE, nonce: '0123456789', echo: 'abcdefghij' })
})

test('a HELLO of another version, of an unknown kind or without a nonce is not heard', () => {
  const body = encodeHello({ kind: HELLO.SEEK, nonce: '0123456789', echo: '' }).slice(16)
  assert.equal(body.length, HELLO_BODY_BYTES)
  assert.equal(decodeHello(Uint8Array.from(body, (byte, index) => (index === 0 ? 2 : byte))), undefined)
  assert.equal(decodeHello(Uint8Array.from(body, (byte, index) => (index === 1 ? 3 : byte))), undefined)
  assert.equal(decodeHello(new Uint8Array(HELLO_BODY_BYTES).fill(1, 0, 1)), undefined)
})

test('frames in hex', () => {
  const encoder = new FrameEncoder(1024)
  assert.equal(hex(Buffer.concat(encoder.data(Buffer.from('hello')))), `00000005${hex(Buffer.from('hello'))}`)
  assert.equal(hex(Buffer.concat(encoder.end())), '10080000')
  assert.equal(hex(Buffer.concat(encoder.close(4002))), '201000020fa2')
  const [header, payload] = new FrameEncoder(1024).data(new Uint8Array(65_536))
  assert.equal(hex(header!), '00040000')
  assert.equal(payload?.length, 65_536)
})

test('every header survives, and no byte of it reaches 0x80', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(FRAME.DATA, FRAME.END, FRAME.CLOSE),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 65_536 }),
      (type, sequence, length) => {
        const bytes = new Uint8Array(4)
        writeHeader(bytes, type, sequence, length)
        assert.ok(bytes.every((byte) => byte < 0x80))
        const bits = bytes.reduce((sum, byte) => (sum << 7) | byte, 0)
        assert.deepEqual(readHeader(bits), { type, sequence, length })
      },
    ),
    { seed: 1, numRuns: 500 },
  )
})

test('whatever the payload, what is sent holds no marker and ends in no cut one, and long payloads are not copied', () => {
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 5 }), (chunks) => {
      const encoder = new FrameEncoder(1024)
      const sent = Buffer.concat(chunks.flatMap((chunk) => encoder.data(chunk)))
      assert.equal(findMarker(sent, 0), -1)
      assert.equal(cutMarker(sent), 0)
    }),
    { seed: 2, numRuns: 500 },
  )
  const long = new Uint8Array(5000)
  assert.equal(new FrameEncoder(1024).data(long)[1]?.buffer, long.buffer)
  assert.equal(new FrameEncoder(65_536).data(long).length, 1)
})

test('any payload arrives whole, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(hostile, { maxLength: 4 }),
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 30 }),
      (chunks, cuts) => {
        const encoder = new FrameEncoder(1024)
        const pieces = chunks.flatMap((chunk) => encoder.data(chunk))
        const sent = Buffer.concat([...pieces, ...encoder.end()])
        const want = hex(Buffer.concat(chunks))
        assert.deepEqual(new Listener(true).push(sent, cuts), want === '' ? ['end'] : [want, 'end'])
      },
    ),
    { seed: 3, numRuns: 1000 },
  )
})

test('a payload is given without waiting for what follows it', () => {
  for (const payload of [Buffer.from('x'), Buffer.concat([Buffer.from('x'), MARKER.subarray(0, 5)]), MARKER]) {
    const listener = new Listener(true)
    assert.deepEqual(listener.push(Buffer.concat(new FrameEncoder(1024).data(payload))), [hex(payload)])
  }
})

test('a HELLO is found behind anything, and anything cut by it never reaches the payload', () => {
  const hello = encodeHello({ kind: HELLO.SEEK, nonce: 'a fresh on', echo: '' })
  fc.assert(
    fc.property(
      hostile.filter((bytes) => bytes.length > 0),
      fc.nat(),
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 30 }),
      fc.boolean(),
      (payload, cut, cuts, open) => {
        const sent = Buffer.concat(new FrameEncoder(1024).data(payload))
        const tail = sent.subarray(0, cut % (sent.length + 1))
        const heard = new Listener(open).push(Buffer.concat([tail, hello]), cuts)
        // A header that a HELLO cuts is broken first; either way the HELLO comes last and alone.
        assert.match(heard.at(-1) ?? '', /^hello 0 a fresh on {2}(true|false)$/)
        const got = heard.slice(0, -1).filter((what) => what !== 'broken')
        assert.ok(hex(payload).startsWith(got.join('')), `${got.join('')} of ${hex(payload)}`)
        if (!open) assert.deepEqual(got, [])
      },
    ),
    { seed: 4, numRuns: 2000 },
  )
})

test('random bytes never throw, and a shut decoder gives nothing of them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), hostile, fc.boolean(), (noise, more, open) => {
      const heard = new Listener(open).push(Buffer.concat([noise, more]))
      if (!open) assert.ok(heard.every((what) => what.startsWith('hello')))
    }),
    { seed: 5, numRuns: 2000 },
  )
})

test('frames that break the rules end the session', () => {
  for (const [what, bytes] of Object.entries({
    'an unknown type': '60000000',
    'a sequence that was skipped': '00080000',
    'a payload that is too long': '00040001',
    'an END with a payload': '10000001ff',
    'a CLOSE without a code': '20000000',
    'a byte above 0x7f in a header': '00800000',
  })) {
    const listener = new Listener(true)
    assert.deepEqual(listener.push(Buffer.from(bytes, 'hex')), ['broken'], what)
    assert.deepEqual(listener.push(Buffer.from('0000000178', 'hex')), ['broken'], `${what}: nothing after it`)
  }
})
