import type { Caller, Endpoint, Offer, PipeMode, VisibleOffer } from '../bus/index.ts'
import { type Channel, parsePipeName } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type Env, unwatchSignal, watchSignal } from '../link/index.ts'
import { Pipe } from './handle.ts'

export interface PipeOpenOptions {
  /** `byte` when absent. */
  mode?: PipeMode
  /** Most `ms` the opening may take, waiting included; 10,000 when absent. */
  deadline?: number
  /** Wait for a service that is not offered yet, instead of failing with `NOT_READY` or `NO_SUCH_SERVICE`. */
  wait?: boolean
  signal?: AbortSignal
}

export interface PipeOfferOptions {
  mode?: PipeMode
  /** Contract and version, for those who look. */
  contract?: string
  /** Takes an open pipe. It passes to this function. */
  accept(pipe: Pipe, caller: Caller): unknown
}

/** Most `ms` an opening may take when nobody said (our choice: a person's patience). */
const DEFAULT_DEADLINE = 10_000

/** Longest deadline, `ms`: 24 days, what a 32-bit timer takes (our choice); Node fires a timer beyond its range at once. */
const MAX_DEADLINE = 0x7fff_ffff

/** Refusals that an offer may end. */
const NOT_YET: ReadonlySet<string> = new Set(['NOT_READY', 'NO_SUCH_SERVICE', 'NO_SUCH_PARTITION'])

/**
 * Pauses, `ms`, before a service that is listed and refuses all the same is asked again: each twice the last, up to the
 * longest (our choice: the first is not noticed, the longest costs next to nothing). One that is not listed is asked as soon as it is.
 */
const FIRST_PAUSE = 10
const LONGEST_PAUSE = 1000

/** The pipe mode object: opens a channel to `partition/service` and obtains the file handle on it. */
export async function openPipe(endpoint: Endpoint, name: string, options: PipeOpenOptions = {}): Promise<Pipe> {
  return new Pipe(await openChannel(endpoint, name, options))
}

/** The same, without the handle: for layers that run over any byte link. */
export async function openChannel(endpoint: Endpoint, name: string, options: PipeOpenOptions = {}): Promise<Channel> {
  const { wait = false, deadline = DEFAULT_DEADLINE, signal, ...rest } = options
  if (!wait) return endpoint.open(name, { ...rest, deadline, ...(signal === undefined ? {} : { signal }) })
  const { partition, service } = parsePipeName(name)
  const { env } = endpoint
  const longest = Math.min(deadline, MAX_DEADLINE)
  const over = env.now() + longest
  const stop = new AbortController()
  const abort = (): void => stop.abort(signal?.reason)
  if (signal?.aborted === true) abort()
  else if (signal !== undefined) watchSignal(signal, abort)
  const timer = env.timer(longest, () => stop.abort())
  const isIt = (offer: VisibleOffer): boolean => offer.partition === partition && offer.service === service
  let pause = FIRST_PAUSE
  let last: unknown
  try {
    for (;;) {
      const left = Math.max(1, Math.round(over - env.now()))
      try {
        return await endpoint.open(name, { ...rest, deadline: left, signal: stop.signal })
      } catch (thrown) {
        if (!NOT_YET.has(BusbarError.from(thrown).code)) throw thrown
        last = thrown
      }
      if (endpoint.offers.has(isIt)) {
        await sleep(env, pause, stop.signal)
        pause = Math.min(2 * pause, LONGEST_PAUSE)
      }
      await endpoint.offers.wait(isIt, stop.signal)
    }
  } catch (thrown) {
    if (!stop.signal.aborted || signal?.aborted === true) throw thrown
    const { omitted } = endpoint.offers
    const hints =
      omitted === 0 ? [] : [`the bus has ${omitted} offers more than this side keeps: it may be one of those`]
    throw new BusbarError('DEADLINE', `${name} was not offered within ${deadline} ms`, {
      stage: 'open',
      cause: last,
      hints,
    })
  } finally {
    timer.cancel()
    if (signal !== undefined) unwatchSignal(signal, abort)
  }
}

/** Settles after `ms`, or when `signal` aborts. */
function sleep(env: Env, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = env.timer(ms, done)
    signal.addEventListener('abort', done)
  })
}

/** Offers a service whose channels arrive as pipes. */
export function offerPipe(endpoint: Endpoint, service: string, options: PipeOfferOptions): Promise<Offer> {
  const { mode = 'byte', contract = '', accept } = options
  return endpoint.offer(service, {
    mode,
    contract,
    decide: (opening, caller) => {
      opening.accept(caller).then(
        (channel) => {
          const pipe = new Pipe(channel)
          // Nobody serves it: the caller hears that at once, with a code, and the pipe keeps what was thrown as its cause.
          const failed = (thrown: unknown): void => pipe.close(BusbarError.from(thrown))
          try {
            const accepted = accept(pipe, caller)
            if (accepted instanceof Promise) accepted.catch(failed)
          } catch (thrown) {
            failed(thrown)
          }
        },
        // Taken back while it was being opened: there is nobody left to serve.
        () => {},
      )
    },
  })
}
