import { BusbarError, type ErrorCode } from '../../../errors/index.ts'
import type { CallOptions } from '../../../rpc/index.ts'
import { BROKEN } from '../calling.ts'
import { CountedAbort } from '../counted-abort.ts'
import type { Holder } from './holder.ts'
import type { Passing, Reference } from './model.ts'
import type { ObjectTable } from './table.ts'

/** A call on an object, as the model sees it before it is made. */
export interface Attempt {
  readonly method: string
  readonly way: Passing['path']
  readonly target: Passing['target']
  readonly sent?: readonly Reference[]
  readonly stream?: Passing['stream']
  /** The stream is among the arguments. */
  readonly lends?: boolean
  /** The proxy that it is made on was released: it must be refused here. */
  readonly released?: boolean
  /** Told what came of it: a code, or nothing when it was done. */
  readonly ended?: (code: string) => void
  readonly deadline?: number | undefined
  readonly cancelAfter?: number | undefined
}

/** What a call gave. */
interface Outcome<T> {
  readonly value: T
  readonly passing: Passing
}

/** What the opening of a return channel may fail with: then the call that needed it was never made. */
const NO_WAY_BACK: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NO_SUCH_PARTITION',
  'NO_SUCH_SERVICE',
  'NOT_READY',
  'DENIED',
  'BUSY',
  'CANCELLED',
  'DEADLINE',
])

/** Makes one call and checks how it ends: with one outcome (I2), that is true of what happened at the other end (I3). */
export async function attempt<T>(
  table: ObjectTable,
  holder: Holder,
  planned: Attempt,
  make: (call: number, options: CallOptions) => Promise<T>,
): Promise<Outcome<T> | undefined> {
  const { method, way, target, sent = [], stream, released = false, deadline, cancelAfter } = planned
  const { report, calls } = table
  const { node } = holder
  const last = way.at(-1)
  if (last === undefined) throw new Error('a call without a way')
  const call = calls.add(last.caller, released || way.some((end) => end.broken))
  const passing: Passing = { path: way, target, sent, stream, returned: [] }
  table.passes(call, passing)
  for (const end of way) end.busy++
  for (const { holder: between } of way.slice(1)) between.passedOn ||= method === 'swap'
  const abort = new CountedAbort()
  let over = false
  if (cancelAfter !== undefined) {
    void node.sleep(cancelAfter).then(() => {
      if (!over) abort.abort()
    })
  }
  const options = {
    ...(cancelAfter === undefined ? {} : { signal: abort.signal }),
    ...(deadline === undefined ? {} : { deadline }),
  }
  const what = `call ${call.id} ${method} of object ${target?.id ?? 'hub'}, ${way.length} pipes away,`
  try {
    const value = await make(call.id, options)
    report.check(call.invoked === 1, 'I3', () => `${what} gave a value, ${call.invoked} objects saw it`)
    report.check(!released, 'I3', () => `${what} was made on a released proxy and gave a value`)
    report.note(`${what} done`)
    planned.ended?.('done')
    return { value, passing }
  } catch (thrown) {
    const { code, message } = BusbarError.from(thrown)
    report.note(`${what} failed: ${code} ${message}`)
    planned.ended?.(code)
    const lends = (sent.length > 0 || planned.lends === true) && way.some(({ role }) => role === 'client')
    const noWayBack = lends && NO_WAY_BACK.has(code)
    const asked = (code === 'CANCELLED' && abort.signal.aborted) || (code === 'DEADLINE' && deadline !== undefined)
    const broke = (BROKEN.has(code) && code !== 'FAULT') || code === way[0]?.reason?.code
    const refused = code === 'RELEASED' && released
    report.check(asked || broke || refused || noWayBack, code === 'NO_SUCH_OBJECT' ? 'I8' : 'I2', () => {
      return `${what} failed with ${code}: ${message}`
    })
    report.check(!released || refused, 'I2', () => `${what} was made on a released proxy and failed with ${code}`)
    if (refused) report.sometimes('a call on a released proxy was refused')
    if (asked && sent.length > 0) report.sometimes('a call that passes references was cancelled')
    if (noWayBack && !asked && !broke) {
      report.check(call.invoked === 0, 'I3', () => `${what} was never sent, and an object saw it`)
      call.tooLate = true
      report.sometimes('a return channel could not be opened')
    }
    if (broke && !asked && !noWayBack) {
      // No pipe breaks for one call alone.
      table.audit(() => {
        report.check(
          way.some((end) => end.broken),
          'I2',
          () => `${what} failed with ${code}, and no pipe is over`,
        )
      })
      if (sent.length > 0 && call.invoked === 0) report.sometimes('references were under way when their pipe broke')
      if (way.length > 1 && way[0]?.broken === false)
        report.sometimes('a pipe broke behind the one that is called over')
    }
    return undefined
  } finally {
    over = true
    for (const end of way) end.busy--
    report.check(abort.listeners === 0, 'I9', () => `${what} left ${abort.listeners} listeners on its signal`)
  }
}
