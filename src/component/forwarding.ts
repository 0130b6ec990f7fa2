import type { CallContext, CallOptions } from '../rpc/index.ts'
import type { Held } from './held.ts'
import type { Interface, Methods } from './interface.ts'

/**
 * What stands for another peer's object towards a third: every call goes on, with the same deadline and the same signal. The
 * third party knows the pipe to this side only, and this side's permission to call is what counts at the other end.
 */
export function forwarding(served: Interface, held: Held): Methods {
  const methods: Record<string, (args: unknown, context: CallContext) => unknown> = Object.create(null)
  const known = new Map(held.interface.procedures.map((operation) => [operation.name, operation]))
  for (const { name } of served.procedures) {
    const operation = known.get(name)
    if (operation === undefined) continue
    methods[name] = (args, context) => held.via.invoke(held, operation, args, onwards(context))
  }
  return Object.freeze(methods)
}

function onwards({ signal, deadline }: CallContext): CallOptions {
  return deadline === undefined ? { signal } : { signal, deadline }
}
