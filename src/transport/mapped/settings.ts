import { BusbarError } from '../../errors/index.ts'
import { PAGE_BYTES } from '../../ring/index.ts'
import { MAX_RING_BYTES, MAX_UNREAD, MAX_WINDOW, type RingLimits } from './limits.ts'

/** What a program may set of its rings: how large they are, the bus says. */
export type ProgramRingLimits = Omit<RingLimits, 'ringBytes'>

/** Whether `BUSBAR_RINGS` turns rings on or off; `undefined` where it is not set. Throws `INVALID_ARGUMENT` for any other word. `of`: whose it is. */
export function ringsSwitch(text: string | undefined, of: string = 'BUSBAR_RINGS'): boolean | undefined {
  if (text === undefined) return undefined
  if (text === 'on' || text === 'off') return text === 'on'
  throw refused(`${of} is ${JSON.stringify(text)}`, '"on" or "off" is expected')
}

/** The window that `BUSBAR_POLL` sets, `ms`; `undefined` where it is not set. Throws `INVALID_ARGUMENT` for what is none. `of`: whose it is. */
export function pollWindow(text: string | undefined, of: string = 'BUSBAR_POLL'): number | undefined {
  if (text === undefined) return undefined
  const window = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (window >= 0 && window <= MAX_WINDOW) return window
  throw refused(
    `${of} is ${JSON.stringify(text)}`,
    `milliseconds from 0 (doorbells only) to ${MAX_WINDOW} are expected`,
  )
}

/** The limits, if they are any: `INVALID_ARGUMENT` else. */
export function checkedRingLimits(limits: Partial<ProgramRingLimits>): Partial<ProgramRingLimits> {
  const { window, spin, unread, turn } = limits
  for (const [name, ms] of Object.entries({ window, spin })) {
    if (ms !== undefined && !(ms >= 0 && ms <= MAX_WINDOW)) {
      throw refused(`${name} of rings is ${ms}`, `milliseconds from 0 to ${MAX_WINDOW} are expected`)
    }
  }
  for (const [name, bytes] of Object.entries({ unread, turn })) {
    if (bytes !== undefined && !(Number.isInteger(bytes) && bytes > 0 && bytes <= MAX_UNREAD)) {
      throw refused(`${name} of rings is ${bytes}`, `whole bytes from 1 to ${MAX_UNREAD} are expected`)
    }
  }
  return limits
}

/** The data of one ring, `bytes`, if a ring can be so large: `INVALID_ARGUMENT` else. */
export function checkedRingBytes(ringBytes: number): number {
  if (ringBytes >= PAGE_BYTES && ringBytes <= MAX_RING_BYTES && ringBytes % PAGE_BYTES === 0) return ringBytes
  throw refused(
    `rings of ${ringBytes} bytes`,
    `whole pages of ${PAGE_BYTES} bytes are needed, at most ${MAX_RING_BYTES}`,
  )
}

function refused(found: string, expected: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', `${found}: ${expected}`, { stage: 'rings' })
}
