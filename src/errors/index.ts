/** The error class all layers share, and the closed list of codes. */
export { CODES, codeFromNumber, codeNumber, type ErrorCode } from './codes.ts'
export { BusbarError, type BusbarErrorOptions, type ErrorPlace, type RemoteError } from './error.ts'
export { escapeJson, escapePeerText } from './escape.ts'
