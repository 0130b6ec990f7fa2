import { type Reader, type Slab, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { IncomingCall } from '../rpc/index.ts'
import { EXTENT_DEADLINE, EXTENT_ERROR, pointToExtents, readExtents, writeExtent } from './extents.ts'

/** COM version 5.7 (MS-DCOM 2.2.11). */
const MAJOR = 5
const MINOR = 7
/** Offset of the causality id in ORPCTHIS, `bytes`. */
const CAUSALITY_AT = 12
/** ORPCTHIS without extents; fixed by the protocol (MS-DCOM 2.2.13.3), `bytes`. */
export const THIS_BYTES = 32
/** ORPCTHAT without extents; fixed by the protocol (MS-DCOM 2.2.13.4), `bytes`. */
const THAT_BYTES = 8
/** A list with one short extent, `bytes`. */
const EXTENT_BYTES = 64

/**
 * Writes the front of every call. Each call is a causality of its own: random bytes of the association and a counter.
 * The front is prepared once per association; only the counter changes.
 */
export class CallFront {
  readonly #front: Uint8Array
  readonly #slab: Slab
  #calls = 0

  constructor(random: Uint8Array, slab: Slab) {
    this.#slab = slab
    const writer = new Writer(true, THIS_BYTES, THIS_BYTES)
    writer.u16(MAJOR)
    writer.u16(MINOR)
    writer.zeros(8)
    writer.bytes(random.subarray(0, 16))
    writer.u32(0)
    this.#front = writer.finish()
  }

  /** A writer that holds ORPCTHIS, with room for `measured` bytes more. `deadline` in milliseconds from now. */
  begin(measured: number, deadline: number | undefined): Writer {
    const extents = deadline === undefined ? 0 : EXTENT_BYTES
    const writer = new Writer(true, 0x7fff_ffff, THIS_BYTES + extents + measured, this.#slab)
    this.write(writer, deadline)
    return writer
  }

  /** Writes ORPCTHIS at the start of a message. */
  write(writer: Writer, deadline: number | undefined): void {
    this.#calls = (this.#calls + 1) >>> 0
    if (deadline === undefined) {
      writer.bytes(this.#front)
    } else {
      writer.bytes(this.#front.subarray(0, THIS_BYTES - 4))
      pointToExtents(writer)
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, Math.min(Math.max(0, Math.ceil(deadline)), 0xffff_ffff), true)
      writeExtent(writer, EXTENT_DEADLINE, data)
    }
    writer.patchU32(CAUSALITY_AT, this.#calls)
  }
}

/** Reads ORPCTHIS and gives the milliseconds that the caller will wait; `undefined` when it did not say. */
export function readThis(reader: Reader): number | undefined {
  const major = reader.u16()
  if (major !== MAJOR) throw new BusbarError('VERSION', `COM version ${major}.${reader.u16()}, only ${MAJOR} is known`)
  reader.skip(2 + 4 + 4 + 16)
  if (reader.u32() === 0) return undefined
  const data = readExtents(reader, EXTENT_DEADLINE)
  if (data === undefined) return undefined
  if (data.length !== 4) throw new BusbarError('MALFORMED', `deadline extent of ${data.length} bytes, not 4`)
  return new DataView(data.buffer, data.byteOffset).getUint32(0, true)
}

/** A writer for an answer that holds ORPCTHAT, with room for `measured` bytes more. `error` is the data of an error extent. */
export function beginAnswer(
  call: Pick<IncomingCall, 'results'>,
  measured: number,
  error: Uint8Array | undefined,
): Writer {
  const extents = error === undefined ? 0 : EXTENT_BYTES + error.length
  const writer = call.results(THAT_BYTES + extents + measured)
  writer.u32(0)
  if (error === undefined) {
    writer.u32(0)
  } else {
    pointToExtents(writer)
    writeExtent(writer, EXTENT_ERROR, error)
  }
  return writer
}

/** Reads ORPCTHAT and gives the data of the error extent, if there is one. */
export function readThat(reader: Reader): Uint8Array | undefined {
  reader.skip(4)
  return reader.u32() === 0 ? undefined : readExtents(reader, EXTENT_ERROR)
}

/** The HRESULT, which is the last thing in every answer. Nothing of it may have been read. */
export function lastWord(answer: Reader): number {
  if (answer.left < THAT_BYTES + 4) throw new BusbarError('MALFORMED', `an answer of ${answer.left} bytes`)
  return answer.lastU32()
}
