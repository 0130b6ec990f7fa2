import { Reader, type Slab, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Hop, IncomingCall } from '../rpc/index.ts'
import { decodeChain } from './chain.ts'
import {
  endOfExtent,
  type Extent,
  EXTENT_CHAIN,
  EXTENT_DEADLINE,
  EXTENT_ERROR,
  EXTENT_TRACE,
  measureExtents,
  pointToExtents,
  readExtents,
  writeExtents,
} from './extents.ts'
import { decodeTrace } from './trace.ts'

/** COM version 5.7 (MS-DCOM 2.2.11). */
const MAJOR = 5
const MINOR = 7
/** Offset of the causality id in ORPCTHIS, `bytes`. */
const CAUSALITY_AT = 12
/** ORPCTHIS without extents; fixed by the protocol (MS-DCOM 2.2.13.3), `bytes`. */
export const THIS_BYTES = 32
/** ORPCTHAT without extents; fixed by the protocol (MS-DCOM 2.2.13.4), `bytes`. */
const THAT_BYTES = 8

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

  /** The number of the call that was written last: the first field of its causality id. */
  get number(): number {
    return this.#calls
  }

  /** A writer that holds ORPCTHIS, with room for `measured` bytes more. */
  begin(measured: number, extents: readonly Extent[] = NONE): Writer {
    const room = extents.length === 0 ? 0 : measureExtents(extents)
    const writer = new Writer(true, 0x7fff_ffff, THIS_BYTES + room + measured, this.#slab)
    this.write(writer, extents)
    return writer
  }

  /** Writes ORPCTHIS at the start of a message. */
  write(writer: Writer, extents: readonly Extent[] = NONE): void {
    this.#calls = (this.#calls + 1) >>> 0
    if (extents.length === 0) {
      writer.bytes(this.#front)
    } else {
      writer.bytes(this.#front.subarray(0, THIS_BYTES - 4))
      pointToExtents(writer)
      writeExtents(writer, extents)
    }
    writer.patchU32(CAUSALITY_AT, this.#calls)
  }
}

const NONE: readonly Extent[] = Object.freeze([])

/** What a caller says besides the arguments. */
export interface Said {
  /** Milliseconds that it will wait. */
  deadline?: number
  /** W3C `traceparent`. */
  trace?: string
  /** Who called whom before it, as it claims. */
  chain?: readonly Hop[]
}

/** Reads ORPCTHIS and gives what the caller says; `undefined` when it says nothing. Throws what the extents' decoders throw. */
export function readThis(reader: Reader): Said | undefined {
  const major = reader.u16()
  if (major !== MAJOR) throw new BusbarError('VERSION', `COM version ${major}.${reader.u16()}, only ${MAJOR} is known`)
  reader.skip(2 + 4 + 4 + 16)
  if (reader.u32() === 0) return undefined
  const said: Said = {}
  readExtents(reader, (id, data) => {
    if (id === EXTENT_DEADLINE) said.deadline = readDeadline(data)
    else if (id === EXTENT_TRACE) said.trace = decodeTrace(data)
    else if (id === EXTENT_CHAIN) said.chain = decodeChain(data)
  })
  return said
}

/** The number of a call of a Busbar, from the start of its stub: the first field of its causality id. */
export function numberIn(reader: Reader): number {
  reader.skip(CAUSALITY_AT)
  return reader.u32()
}

function readDeadline(data: Uint8Array): number {
  const reader = new Reader(data)
  const deadline = reader.u32()
  endOfExtent(reader, 'deadline')
  return deadline
}

/**
 * A writer for an answer that holds ORPCTHAT, with room for `measured` bytes more. `error` is the data of an error extent; `leaves` as of
 * `IncomingCall.results`.
 */
export function beginAnswer(
  call: Pick<IncomingCall, 'results'>,
  measured: number,
  error: Uint8Array | undefined,
  leaves: boolean = false,
): Writer {
  const extents = error === undefined ? NONE : [{ id: EXTENT_ERROR, data: error }]
  const writer = call.results(THAT_BYTES + (extents === NONE ? 0 : measureExtents(extents)) + measured, leaves)
  writer.u32(0)
  if (extents === NONE) {
    writer.u32(0)
  } else {
    pointToExtents(writer)
    writeExtents(writer, extents)
  }
  return writer
}

/** Reads ORPCTHAT and gives the data of the error extent, if there is one. */
export function readThat(reader: Reader): Uint8Array | undefined {
  reader.skip(4)
  if (reader.u32() === 0) return undefined
  let error: Uint8Array | undefined
  readExtents(reader, (id, data) => {
    if (id === EXTENT_ERROR) error = data
  })
  return error
}

/** The HRESULT, which is the last thing in every answer. Nothing of it may have been read. */
export function lastWord(answer: Reader): number {
  if (answer.left < THAT_BYTES + 4) throw new BusbarError('MALFORMED', `an answer of ${answer.left} bytes`)
  return answer.lastU32()
}
