import { Reader } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { endOfExtent } from './extents.ts'

/** Trace id 16, id of the parent 8, flags 1, `bytes`: what a `traceparent` of version 00 says (W3C Trace Context, 3.2.2). */
const TRACE_BYTES = 25
const PARENT_AT = 16
const FLAGS_AT = 24

/** Version 00. Later ones may say more, which a receiver of this version could not carry on. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Data of the trace extent. `INVALID_ARGUMENT` when the text is no `traceparent` of version 00. */
export function encodeTrace(traceparent: string): Uint8Array {
  const match = TRACEPARENT.exec(traceparent)
  const data = new Uint8Array(TRACE_BYTES)
  const digits = match === null ? '' : `${match[1]}${match[2]}${match[3]}`
  for (let i = 0; i < TRACE_BYTES; i++) data[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  if (match === null || !named(data)) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `trace ${JSON.stringify(traceparent)} is not a W3C traceparent: 00-<trace id>-<parent id>-<flags>, in lower case, no id all zero`,
    )
  }
  return data
}

/** The `traceparent` in a trace extent. `MALFORMED` when there is none: ids of zeros say nothing. */
export function decodeTrace(data: Uint8Array): string {
  const reader = new Reader(data)
  const trace = reader.bytes(TRACE_BYTES)
  endOfExtent(reader, 'trace')
  if (!named(trace)) throw new BusbarError('MALFORMED', 'trace extent with an id of zeros')
  const digits = Array.from(trace, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `00-${digits.slice(0, 2 * PARENT_AT)}-${digits.slice(2 * PARENT_AT, 2 * FLAGS_AT)}-${digits.slice(2 * FLAGS_AT)}`
}

function named(data: Uint8Array): boolean {
  return data.subarray(0, PARENT_AT).some(Boolean) && data.subarray(PARENT_AT, FLAGS_AT).some(Boolean)
}
