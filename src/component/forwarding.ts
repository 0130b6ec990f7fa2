import type { CallContext } from '../rpc/index.ts'
import { ServedCall } from './context.ts'
import type { Held } from './held.ts'
import type { Interface, Methods } from './interface.ts'

/**
 * What stands for another peer's object towards a third: every call goes on within the one that came: with what is left of its time, its
 * signal, its trace and its chain. What it takes and gives is this side's no longer than the call. The
 * third party knows the pipe to this side only, and this side's permission to call is what counts at the other end.
 */
export function forwarding(served: Interface, held: Held): Methods {
  const methods: Record<string, (args: unknown, context: CallContext) => unknown> = Object.create(null)
  const known = new Map(held.interface.procedures.map((operation) => [operation.name, operation]))
  for (const { name } of served.procedures) {
    const operation = known.get(name)
    if (operation === undefined) continue
    methods[name] = (args, context) =>
      held.via.forward(held, operation, args, { within: context }, (taken) => {
        if (context instanceof ServedCall) context.passes(taken)
      })
  }
  return Object.freeze(methods)
}
