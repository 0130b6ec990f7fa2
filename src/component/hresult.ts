import type { ErrorCode } from '../errors/index.ts'

export const S_OK = 0
/** Success, though not of everything. */
export const S_FALSE = 1

/** The standard result that says the same as a code (MS-ERREF 2.1); every other failure is `E_FAIL`. */
const HRESULTS: Partial<Record<ErrorCode, number>> = {
  UNAVAILABLE: 0x8000_4001,
  NO_SUCH_INTERFACE: 0x8000_4002,
  FAULT: 0x8000_4005,
  BUSY: 0x8001_010a,
  NO_SUCH_OBJECT: 0x8001_0108,
  NO_SUCH_CLASS: 0x8004_0154,
  DENIED: 0x8007_0005,
  LIMIT: 0x8007_000e,
  NOT_READY: 0x8007_0015,
  INVALID_ARGUMENT: 0x8007_0057,
  CANCELLED: 0x8007_04c7,
  DEADLINE: 0x8007_05b4,
  BAD_VALUE: 0x8007_06f7,
}

const E_FAIL = 0x8000_4005

const CODES_OF: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.entries(HRESULTS) as [ErrorCode, number][]).map(([code, hresult]) => [hresult, code]),
)

/** Whether a result says that the call failed: the severity bit. */
export function failed(hresult: number): boolean {
  return hresult >= 0x8000_0000
}

export function hresultOf(code: ErrorCode): number {
  return HRESULTS[code] ?? E_FAIL
}

/** For a peer that sends nothing but the number. */
export function codeOf(hresult: number): ErrorCode {
  return CODES_OF.get(hresult) ?? 'FAULT'
}
