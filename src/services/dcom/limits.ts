import { BusbarError } from '../../errors/index.ts'

/** What foreign DCOM clients may cost, and how long they are waited for. */
export interface DcomLimits {
  /** Addresses that hold something or are connected, `peers`. */
  readonly peers: number
  /** Connections of one address, `connections`. */
  readonly connections: number
  /** Ping sets of one address, `sets`. */
  readonly sets: number
  /** Interfaces asked for by one activation, `interfaces`. */
  readonly interfaces: number
  /** A ping set is to be pinged once in this time, `milliseconds`. */
  readonly pingPeriod: number
  /** After so many periods without a ping what is in the set is run down, `periods`. */
  readonly pingPeriods: number
}

export const DEFAULT_DCOM_LIMITS: DcomLimits = {
  /** Our choice: far more machines than one offers components to without a bus. */
  peers: 1_024,
  /** Our choice: a client has one for the resolver and one for each thread. */
  connections: 64,
  /** Our choice: a client machine has one. */
  sets: 64,
  /** Our choice: far more than an object has. */
  interfaces: 64,
  /** Fixed by the protocol: clients ping every two minutes (MS-DCOM 3.2.2). */
  pingPeriod: 120_000,
  /** Fixed by the protocol (MS-DCOM 3.1.2.2). */
  pingPeriods: 3,
}

/** The defaults with `chosen` over them; `INVALID_ARGUMENT` names the limit that cannot be. */
export function dcomLimits(chosen: Partial<DcomLimits> = {}): DcomLimits {
  const limits = { ...DEFAULT_DCOM_LIMITS, ...chosen }
  for (const [name, value] of Object.entries(limits)) {
    if (!(Number.isInteger(value) && value >= 1 && value <= 0x7fff_ffff)) {
      throw new BusbarError(
        'INVALID_ARGUMENT',
        `DCOM limit ${name} is ${value}; it must be an integer from 1 to 2^31 - 1`,
      )
    }
  }
  // The identifier of a set has 16 bits (see leases.ts), and one that is free must be found by trying.
  if (limits.sets > 0x4000) throw new BusbarError('INVALID_ARGUMENT', `DCOM limit sets is ${limits.sets}, above 16384`)
  return limits
}

/** Largest activation properties, `bytes`. Our choice: those of Windows take about 1 KiB. */
export const MAX_PROPERTIES = 65_536
/** Most properties in one blob (MS-DCOM 2.2.28.1, MAX_ACTPROP_LIMIT). */
export const MAX_PROPERTY_COUNT = 10
