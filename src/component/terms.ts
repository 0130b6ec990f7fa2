import { BusbarError } from '../errors/index.ts'
import type { CallContext, CallOptions } from '../rpc/index.ts'
import { encodeChain } from './chain.ts'
import { type Extent, EXTENT_CHAIN, EXTENT_DEADLINE, EXTENT_TRACE } from './extents.ts'
import { encodeTrace } from './trace.ts'

/** Longest deadline, `milliseconds`: what 32 bits carry. Fixed by our extent; about 49 days. */
const MAX_DEADLINE = 0xffff_ffff

/** What a call depends on, and what it carries besides its arguments. */
export interface Terms {
  /** Milliseconds from now. */
  readonly deadline: number | undefined
  /** Any of them cancels it. */
  readonly signals: readonly AbortSignal[]
  /** What tells the other side. */
  readonly extents: readonly Extent[]
}

/** The terms of a call; `undefined` when it has none. `INVALID_ARGUMENT` when the options say what cannot be. */
export function termsOf(options: CallOptions | undefined): Terms | undefined {
  if (options === undefined || options === null) return undefined
  const { signal } = options
  const own = options.deadline
  if (own !== undefined && !(typeof own === 'number' && own >= 0 && own <= MAX_DEADLINE)) {
    throw new BusbarError('INVALID_ARGUMENT', `deadline ${own} is not a number of milliseconds up to ${MAX_DEADLINE}`)
  }
  const within = isContext(options) ? options : options.within
  const deadline = least(own, within?.deadline)
  const signals = [signal, within?.signal].filter((each, at, all) => each !== undefined && all.indexOf(each) === at)
  const trace = options.trace ?? within?.trace
  const extents: Extent[] = []
  if (deadline !== undefined) extents.push(deadlineExtent(deadline))
  if (trace !== undefined) extents.push({ id: EXTENT_TRACE, data: encodeTrace(trace) })
  if (within !== undefined) extents.push({ id: EXTENT_CHAIN, data: encodeChain(within.chain) })
  if (signals.length === 0 && extents.length === 0) return undefined
  return { deadline, signals: signals as AbortSignal[], extents }
}

/** `deadline` in milliseconds from now: rounded up, and capped at what 32 bits carry. */
export function deadlineExtent(deadline: number): Extent {
  const data = new Uint8Array(4)
  new DataView(data.buffer).setUint32(0, Math.min(Math.max(0, Math.ceil(deadline)), MAX_DEADLINE), true)
  return { id: EXTENT_DEADLINE, data }
}

/** Whether a context stands in place of options. */
export function isContext(options: CallOptions | CallContext): options is CallContext {
  return 'caller' in options && 'chain' in options
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}
