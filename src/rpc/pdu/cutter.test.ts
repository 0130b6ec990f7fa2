import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../../errors/index.ts'
import { writeRequest } from './call.ts'
import { PduCutter, type PduHandler } from './cutter.ts'
import { encodeBare, pduBytes } from './header.ts'

const seed = 20_261_122

function request(callId: number, stub: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(24 + stub.length)
  writeRequest(new DataView(bytes.buffer), 0, 3, bytes.length, callId, stub.length, 0, callId & 0xff)
  bytes.set(stub, 24)
  return bytes
}

function cutAll(chunks: readonly Uint8Array[], max = 65_528): { pdus: string[]; cutter: PduCutter; most: number } {
  const pdus: string[] = []
  const cutter = new PduCutter(max, (header, view, at) => {
    assert.equal(view.getUint8(at), 5)
    pdus.push(Buffer.from(pduBytes(header, view, at)).toString('hex'))
  })
  let most = 0
  for (const chunk of chunks) {
    cutter.push(chunk)
    most = Math.max(most, cutter.held)
  }
  return { pdus, cutter, most }
}

function split(whole: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const points = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b)
  const chunks: Uint8Array[] = []
  let from = 0
  for (const point of [...points, whole.length]) {
    // Each chunk at another offset of memory of its own, as media hand them out.
    const memory = new Uint8Array(point - from + 3)
    memory.set(whole.subarray(from, point), 3)
    chunks.push(memory.subarray(3))
    from = point
  }
  return chunks
}

describe('cutting chunks into PDUs', () => {
  const pdu = fc.oneof(
    fc.tuple(fc.nat(1_000), fc.uint8Array({ maxLength: 80 })).map(([id, stub]) => request(id, stub)),
    fc.nat(1_000).map((id) => encodeBare(18, id)),
  )

  test('a PDU above the limit is told of when its header is in, however it comes', () => {
    const long = request(9, new Uint8Array(200))
    for (const chunks of [[long.subarray(0, 16)], [long.subarray(0, 7), long.subarray(7, 16)]]) {
      const told: number[] = []
      const handle: PduHandler = () => assert.fail('handed out')
      handle.tooLong = ({ callId, length }) => told.push(callId, length)
      const cutter = new PduCutter(100, handle)
      assert.throws(() => chunks.forEach((chunk) => cutter.push(chunk)), {
        code: 'MALFORMED',
        message: /request of 224 bytes; at most 100/,
      })
      assert.deepEqual(told, [9, 224])
    }
  })

  test('what is landed and what is handed out is the same whichever chunks are lent or read to their place, and wherever a handler has enough', () => {
    const some = fc.array(pdu, { maxLength: 12 })
    const cutsOf = fc.array(fc.nat(), { maxLength: 20 })
    const flags = fc.array(fc.boolean())
    fc.assert(
      fc.property(some, cutsOf, flags, flags, flags, fc.nat(50), (pdus, cuts, lends, stops, places, behind) => {
        const whole = Uint8Array.from(pdus.flatMap((each) => [...each]))
        const got: string[] = []
        // Where each PDU begins, and what is being cut: of lent memory somebody changes what was looked at already.
        const starts = pdus.map((_, i) => pdus.slice(0, i).reduce((sum, { length }) => sum + length, 0))
        const current = { chunk: whole, start: 0, lent: false }
        const spoil = (front: number): void => {
          const at = (starts[kept.length] ?? 0) - current.start
          if (current.lent) current.chunk.fill(0xee, Math.max(0, at), Math.max(0, at + front))
        }
        // What a handler keeps it looks at when all is over.
        const kept: (() => string)[] = []
        let landing: { front: string; memory: Uint8Array } | undefined
        let [pushed, asked] = [0, 0]
        const handle: PduHandler = (header, view, at) => {
          const bytes = pduBytes(header, view, at)
          const hex = (): string => Buffer.from(bytes).toString('hex')
          // Of a PDU that is all header there is nothing to keep.
          kept.push(
            header.length > 16
              ? hex
              : (
                  (now) => () =>
                    now
                )(hex()),
          )
        }
        handle.front = ({ type, length }) => {
          spoil(16)
          return type === 0 && length > 24 ? 24 : 0
        }
        handle.enough = () => stops[asked++] ?? false
        handle.land = (header, view, at, here) => {
          assert.ok(here >= 24 && here <= header.length)
          spoil(24)
          // Some are taken whole after all.
          if (header.callId % 5 === 0) return undefined
          const front = Buffer.from(new Uint8Array(view.buffer, at, 24)).toString('hex')
          landing = { front, memory: new Uint8Array(header.length - 24 + behind).subarray(0, header.length - 24) }
          return landing.memory
        }
        handle.landed = () => {
          const { front, memory } = landing as NonNullable<typeof landing>
          kept.push(() => front + Buffer.from(memory).toString('hex'))
        }
        const cutter = new PduCutter(65_528, handle)
        let start = 0
        for (const chunk of split(whole, cuts)) {
          let read = 0
          // As a link reads: where the next bytes are wanted, as many as fit there.
          while (places[pushed % places.length] === true && cutter.place !== undefined && read < chunk.length) {
            const place = cutter.place.subarray(0, chunk.length - read)
            place.set(chunk.subarray(read, read + place.length))
            read += place.length
            let rest = cutter.push(place, 'lent')
            while (rest !== undefined) rest = cutter.push(rest)
          }
          const left = chunk.subarray(read)
          const lent = lends[pushed++] ?? cutter.bulk
          Object.assign(current, { chunk: left, start: start + read, lent })
          start += chunk.length
          let rest = cutter.push(left, lent ? (pushed % 2 === 0 ? 'lent' : 'shared') : 'kept')
          if (lent) left.fill(0xee)
          current.lent = false
          while (rest !== undefined) rest = cutter.push(rest)
        }
        got.push(...kept.map((hex) => hex()))
        assert.deepEqual(
          got,
          pdus.map((each) => Buffer.from(each).toString('hex')),
        )
      }),
      { seed, numRuns: 2_000 },
    )
  })

  test('a fragment has one place, with room behind it for the front of the next one, and then that front has', () => {
    const lands = new Uint8Array(2_000)
    const handle: PduHandler = () => assert.fail('handed out')
    handle.front = () => 24
    handle.land = () => lands.subarray(0, 1_000)
    handle.landed = () => {}
    const cutter = new PduCutter(65_528, handle)
    const place = (): Uint8Array | undefined => cutter.place
    const where = (): unknown => [place()?.byteOffset, place()?.length]
    assert.equal(place(), undefined)
    const pdu = request(1, new Uint8Array(1_000).fill(1))
    cutter.push(pdu.subarray(0, 124))
    // Of what the handler gave, the part that is empty, and as much behind it as a front takes.
    assert.deepEqual(where(), [100, 924])
    const read = place() as Uint8Array
    read.set(pdu.subarray(124))
    read.set(pdu.subarray(0, 24), 900)
    cutter.push(read, 'lent')
    assert.deepEqual(where(), [0, 1_024])
    assert.deepEqual([...lands.subarray(0, 1_000)], [...pdu.subarray(24)])
    assert.ok(cutter.atFront)
    cutter.push(pdu.subarray(24), 'lent')
    assert.deepEqual([cutter.held, where()], [0, [0, 24]])
    cutter.stop()
    assert.equal(place(), undefined)
  })

  test('what was read behind a fragment stays, whatever becomes of the memory that the fragment landed in', () => {
    const order: number[] = []
    const stubs: Uint8Array[] = []
    let memory = new Uint8Array(0)
    const handle: PduHandler = ({ callId }) => order.push(callId)
    handle.front = ({ type, length }) => (type === 0 && length > 24 ? 24 : 0)
    handle.land = ({ length }) => {
      memory = new Uint8Array(length + 40).subarray(0, length - 24)
      return memory
    }
    handle.landed = ({ callId }) => {
      order.push(callId)
      stubs.push(memory.slice())
      // As a call that recycles its arguments, and is answered at once: nobody sees anything there any more.
      structuredClone(memory.buffer, { transfer: [memory.buffer] })
    }
    const pdus = [1, 2, 3].map((id) => request(id, new Uint8Array(1_000).fill(id)))
    // The front of another long one, all of a short one, and the header of a third.
    const whole = Uint8Array.from([...pdus, encodeBare(18, 4), encodeBare(19, 5)].flatMap((each) => [...each]))
    const cutter = new PduCutter(65_528, handle)
    cutter.push(whole.slice(0, 30))
    for (let at = 30; at < whole.length; ) {
      const place = (cutter.place ?? new Uint8Array(100)).subarray(0, whole.length - at)
      place.set(whole.subarray(at, at + place.length))
      at += place.length
      assert.equal(cutter.push(place, 'lent'), undefined)
    }
    assert.deepEqual(order, [1, 2, 3, 4, 5])
    assert.deepEqual(
      stubs.map((stub) => Buffer.compare(stub, Buffer.alloc(1_000, stub[0]))),
      [0, 0, 0],
    )
    assert.equal(cutter.held, 0)
  })

  test('long PDUs in lent chunks, with short ones among them, are copied once', () => {
    const long = (id: number): Uint8Array => request(id, new Uint8Array(9_000).fill(id))
    const pdus = [
      request(5, new Uint8Array(20)),
      long(1),
      encodeBare(18, 2),
      long(3),
      request(10, new Uint8Array(7_000)),
      long(4),
    ]
    const whole = Uint8Array.from(pdus.flatMap((each) => [...each]))
    const order: number[] = []
    const landed: Uint8Array[] = []
    const handle: PduHandler = ({ callId }) => order.push(callId)
    handle.front = ({ length }) => (length > 8_000 ? 24 : 0)
    handle.land = ({ length }) => {
      landed.push(new Uint8Array(length - 24))
      return landed.at(-1)
    }
    handle.landed = ({ callId }) => order.push(callId)
    for (const cuts of [[], [10], [100], [9_100, 18_150], [44, 44 + 24, 60 + 9_024]]) {
      order.length = 0
      landed.length = 0
      const cutter = new PduCutter(65_528, handle)
      for (const chunk of split(whole, cuts)) cutter.push(chunk, 'lent')
      assert.deepEqual(order, [5, 1, 2, 3, 10, 4])
      assert.deepEqual(
        landed.map((memory) => Buffer.compare(memory, Buffer.alloc(9_000, memory[0]))),
        [0, 0, 0],
      )
      assert.equal(cutter.held, 0)
      assert.equal(cutter.bulk, true)
    }
  })

  test('memory that others write to is lent for what lands and for fronts only, and no more than that', () => {
    const handle: PduHandler = () => {}
    handle.front = ({ length }) => (length > 8_000 ? 24 : 0)
    handle.land = ({ length }) => new Uint8Array(length - 24)
    const cutter = new PduCutter(65_528, handle)
    const long = request(1, new Uint8Array(9_000))
    assert.equal(cutter.blind, 0)
    cutter.push(long.subarray(0, 30))
    assert.equal(cutter.blind, 9_000 - 6)
    cutter.push(long.subarray(30), 'shared')
    // The front of the next one, with an object UUID or without.
    assert.equal(cutter.blind, 40)
    cutter.push(request(2, new Uint8Array(50)).subarray(0, 40), 'shared')
    assert.equal(cutter.blind, 0)
    cutter.push(request(2, new Uint8Array(50)).subarray(40))
    assert.deepEqual([cutter.blind, cutter.bulk, cutter.held], [0, false, 0])
  })

  test('any split gives the same PDUs and holds at most one of them', () => {
    fc.assert(
      fc.property(fc.array(pdu, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 20 }), (pdus, cuts) => {
        const whole = Uint8Array.from(pdus.flatMap((each) => [...each]))
        const { pdus: cut, cutter, most } = cutAll(split(whole, cuts))
        assert.deepEqual(
          cut,
          pdus.map((each) => Buffer.from(each).toString('hex')),
        )
        assert.equal(cutter.held, 0)
        assert.ok(most <= Math.max(0, ...pdus.map((each) => each.length)))
      }),
      { seed, numRuns: 300 },
    )
  })

  test('byte by byte', () => {
    const whole = Uint8Array.from([
      ...request(1, new Uint8Array(33)),
      ...encodeBare(19, 2),
      ...request(3, new Uint8Array(0)),
    ])
    assert.equal(cutAll([...whole].map((byte) => Uint8Array.of(byte))).pdus.length, 3)
  })

  test('random bytes are MALFORMED or wait for more, and never hold more than the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 64 }), { maxLength: 30 }), (chunks) => {
        try {
          assert.ok(cutAll(chunks, 2_048).most <= 2_048)
        } catch (thrown) {
          assert.ok(thrown instanceof BusbarError && thrown.code === 'MALFORMED', String(thrown))
        }
      }),
      { seed, numRuns: 1_000 },
    )
  })

  test('a flipped byte is MALFORMED or another PDU, never anything else', () => {
    const whole = Uint8Array.from([...request(1, new Uint8Array(40)), ...request(2, new Uint8Array(8))])
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.array(fc.nat(), { maxLength: 5 }), (at, value, cuts) => {
        const bad = whole.slice()
        bad[at] = value
        try {
          cutAll(split(bad, cuts))
        } catch (thrown) {
          assert.ok(thrown instanceof BusbarError && thrown.code === 'MALFORMED', String(thrown))
        }
      }),
      { seed, numRuns: 1_000 },
    )
  })

  test('a length above the limit is refused when the header is in, before the body is waited for', () => {
    const header = request(1, new Uint8Array(3_000)).subarray(0, 16)
    assert.throws(() => cutAll([header.subarray(0, 9), header.subarray(9)], 2_048), { code: 'MALFORMED' })
    assert.equal(cutAll([header], 3_024).cutter.held, 16)
  })

  test('a PDU inside a chunk is not copied', () => {
    const chunk = request(1, new Uint8Array(10))
    let seen: unknown
    new PduCutter(2_048, (_, view) => {
      seen = view.buffer
    }).push(chunk)
    assert.equal(seen, chunk.buffer)
  })

  test('stopping takes effect within a chunk, and the limit may change between two PDUs', () => {
    const whole = Uint8Array.from([...request(1, new Uint8Array(4)), ...request(2, new Uint8Array(100))])
    let count = 0
    const stopping: PduCutter = new PduCutter(2_048, () => {
      count++
      stopping.stop()
    })
    stopping.push(whole)
    stopping.push(whole)
    assert.equal(count, 1)
    const narrowing: PduCutter = new PduCutter(2_048, () => {
      narrowing.max = 64
    })
    assert.throws(() => narrowing.push(whole), { code: 'MALFORMED' })
  })
})
