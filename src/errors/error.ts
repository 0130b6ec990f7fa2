import { CODES, type ErrorCode } from './codes.ts'

/** What a remote component's own error carried, kept as data: never a class to instantiate. */
export interface RemoteError {
  readonly name: string
  /** The remote error's own `code` (`ENOENT` ...), if it had one. */
  readonly code: string | undefined
  readonly message: string
}

/** A place in a file that an error is about. */
export interface ErrorPlace {
  readonly file: string
  /** From 1; `undefined`: the file as a whole. */
  readonly line: number | undefined
  /** From 1, in UTF-16 units. */
  readonly column: number | undefined
  /** What is wrong there. One line. */
  readonly message: string
  /** What to do, when it can be told. */
  readonly hint: string | undefined
}

export interface BusbarErrorOptions {
  /** The error underneath, kept for the operator. */
  cause?: unknown
  /** Where it happened, in one or two words: `handshake`, `open`, `launch` ... Printed before the cause. */
  stage?: string
  /** What to do next, one sentence each. */
  hints?: readonly string[]
  /** Present with code `FAULT` when a remote component threw. */
  remote?: RemoteError
  /** Present with codes `CONFIG` and `POLICY`: each thing that is wrong in a file. */
  places?: readonly ErrorPlace[]
}

/** The one error class of all layers. Match on `code`. */
export class BusbarError extends Error {
  override readonly name: string = 'BusbarError'
  readonly code: ErrorCode
  readonly stage: string | undefined
  readonly hints: readonly string[]
  readonly remote: RemoteError | undefined
  readonly places: readonly ErrorPlace[]

  constructor(code: ErrorCode, message: string, options: BusbarErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.stage = options.stage
    this.hints = options.hints ?? []
    this.remote = options.remote
    this.places = options.places ?? []
  }

  /** `BUS-nnnn`, as printed and searched for. */
  get id(): string {
    return `BUS-${CODES[this.code].number}`
  }

  /** The funnel: whatever was thrown becomes a `BusbarError`; one that is already passes unchanged. */
  static from(thrown: unknown, code: ErrorCode = 'INTERNAL'): BusbarError {
    if (thrown instanceof BusbarError) return thrown
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return new BusbarError(code, message, { cause: thrown })
  }
}
