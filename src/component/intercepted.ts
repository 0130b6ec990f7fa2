import { BusbarError } from '../errors/index.ts'
import type { Coming } from './coming.ts'
import type { Held } from './held.ts'
import { type CallInterceptor, type OutgoingCall, streamFrom, through } from './hooks.ts'
import type { Invoke } from './proxy.ts'

/** Makes calls with interceptors around them. What they throw is what the call rejects with, or its stream. */
export function intercepted<On extends Held | Coming>(
  interceptors: readonly CallInterceptor[],
  invoke: Invoke<On>,
): Invoke<On> {
  return (on, operation, args, options) => {
    const { name: method, path, pull } = operation
    const last = (passed: OutgoingCall): unknown => invoke(on, operation, passed.args, passed.options)
    const run = (): unknown => through(interceptors, { contract: on.interface.name, method, path, args, options }, last)
    if (pull !== undefined) return streamFrom(attempt(run))
    return attempt(run)
  }
}

/** What it gives, or a promise that rejects. */
function attempt(run: () => unknown): unknown {
  try {
    const made = run()
    return typeof made === 'object' && made !== null && Symbol.asyncIterator in made ? made : Promise.resolve(made)
  } catch (thrown) {
    return Promise.reject(BusbarError.from(thrown))
  }
}
