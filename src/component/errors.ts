import { Reader, utf8Decode, utf8Encode, Writer } from '../bytes/index.ts'
import {
  BusbarError,
  codeFromNumber,
  codeNumber,
  type ErrorCode,
  escapePeerText,
  type RemoteError,
} from '../errors/index.ts'
import { endOfExtent } from './extents.ts'
import { codeOf } from './hresult.ts'
import { MAX_ERROR_MESSAGE, MAX_ERROR_NAME } from './limits.ts'

/**
 * Codes that mean the same to a caller as to the component that threw them, so they cross as they are. Those that speak
 * of a link, a pipe or a program do not: on the other side they would say something untrue of its own.
 */
const CROSSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'CANCELLED',
  'DEADLINE',
  'UNAVAILABLE',
  'LIMIT',
  'DENIED',
  'BUSY',
  'NOT_READY',
  'NO_SUCH_PARTITION',
  'NO_SUCH_SERVICE',
  'BAD_VALUE',
  'NO_SUCH_CLASS',
  'NO_SUCH_INTERFACE',
  'FAULT',
])

/**
 * Failures of a call that was passed on: what the object lives behind is gone. To the caller it is the partition at the other
 * end that died, however that came about.
 */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PEER_DIED',
  'LINK_LOST',
  'RESET',
  'RESCINDED',
  'CLOSED',
  'STALE_EPOCH',
])

/** What crosses besides, of calls that were passed on. */
const PASSED_ON: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['PEER_DIED', 'NO_SUCH_OBJECT', 'NOT_IN_CONTRACT'])

/** An error on its way: a code that crosses, and for `FAULT` what the component's own error said. */
interface Crossing {
  readonly code: ErrorCode
  readonly remote: RemoteError
}

/** What a third party failed with, where the call itself was not passed on: a query of an object that was. */
export class ThirdPartyFailure extends Error {}

/** What of a thrown value crosses: never a stack, never a cause. `passedOn`: it was thrown by a call to a third party. */
export function crossing(thrown: unknown, passedOn = false): Crossing {
  if (thrown instanceof ThirdPartyFailure) return crossing(thrown.cause, true)
  if (thrown instanceof BusbarError) {
    if (passedOn && GONE.has(thrown.code)) {
      return { code: 'PEER_DIED', remote: { name: thrown.name, code: thrown.code, message: thrown.message } }
    }
    if (passedOn && PASSED_ON.has(thrown.code)) {
      return { code: thrown.code, remote: { name: thrown.name, code: undefined, message: thrown.message } }
    }
    if (thrown.code === 'FAULT' && thrown.remote !== undefined) return { code: 'FAULT', remote: thrown.remote }
    if (CROSSING.has(thrown.code)) {
      return { code: thrown.code, remote: { name: thrown.name, code: undefined, message: thrown.message } }
    }
    return { code: 'FAULT', remote: { name: thrown.name, code: thrown.code, message: thrown.message } }
  }
  if (thrown instanceof Error) {
    const own = (thrown as { code?: unknown }).code
    const code = typeof own === 'string' ? own : undefined
    return { code: 'FAULT', remote: { name: String(thrown.name), code, message: String(thrown.message) } }
  }
  const message = typeof thrown === 'string' ? thrown : `thrown: ${typeof thrown}`
  return { code: 'FAULT', remote: { name: 'Error', code: undefined, message } }
}

/** Data of the error extent: u32 number of the code, then name, own code and message, each u16 length and UTF-8. */
export function encodeError({ code, remote }: Crossing): Uint8Array {
  const writer = new Writer()
  writer.u32(codeNumber(code))
  writeText(writer, remote.name, MAX_ERROR_NAME)
  writeText(writer, remote.code ?? '', MAX_ERROR_NAME)
  writeText(writer, remote.message, MAX_ERROR_MESSAGE)
  return writer.finish()
}

/** The error that a failed call rejects with, from the extent or, when a foreign peer sent none, from its HRESULT. */
export function decodeError(data: Uint8Array | undefined, hresult: number, path: string): BusbarError {
  if (data === undefined) {
    const code = codeOf(hresult)
    return new BusbarError(code, `${path} failed with HRESULT 0x${hresult.toString(16).padStart(8, '0')}`)
  }
  const reader = new Reader(data)
  const sent = codeFromNumber(reader.u32())
  const [name, own, message] = [readText(reader), readText(reader), readText(reader)]
  endOfExtent(reader, 'error')
  const shown = escapePeerText(message, MAX_ERROR_MESSAGE)
  if (sent !== undefined && sent !== 'FAULT' && (CROSSING.has(sent) || PASSED_ON.has(sent))) {
    return new BusbarError(sent, `${path}: ${shown}`)
  }
  const kind = escapePeerText(own === '' ? name : `${name} ${own}`, MAX_ERROR_NAME)
  const remote = { name, code: own === '' ? undefined : own, message }
  return new BusbarError('FAULT', `${path} failed: ${kind}: ${shown}`, { remote })
}

/** Says which call it was; the code stays. */
export function located(path: string, thrown: unknown): BusbarError {
  const { code, message, remote } = BusbarError.from(thrown)
  return new BusbarError(code, `${path}: ${message}`, {
    cause: thrown,
    ...(remote === undefined ? {} : { remote }),
  })
}

function writeText(writer: Writer, text: string, max: number): void {
  const bytes = utf8Encode(text.slice(0, max))
  writer.u16(bytes.length)
  writer.bytes(bytes)
}

/** Our side cuts its texts, so a longer one is not from it: a UTF-16 unit takes at most three bytes in UTF-8. */
function readText(reader: Reader): string {
  const length = reader.u16()
  if (length > MAX_ERROR_MESSAGE * 3) throw new BusbarError('MALFORMED', `an error text of ${length} bytes`)
  return utf8Decode(reader.bytes(length))
}
