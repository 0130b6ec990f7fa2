import { BusbarError } from '../../errors/index.ts'
import type { Awaitable } from '../../link/index.ts'
import type { IncomingCall, RpcInterface } from '../association/incoming-call.ts'
import type { Contract } from '../contract/contract.ts'
import type { Procedure } from '../contract/procedure.ts'
import type { Given, TakenFields } from '../contract/type.ts'
import { NO_REFERENCES, operationsOf } from './operations.ts'
import { readTrailing } from './trailing.ts'

/** What serves a contract by plain calls: one function per method, called with the arguments and the call itself. */
export type PlainImplementation<C extends Contract> = {
  readonly [K in keyof C['methods']]: (
    args: TakenFields<C['methods'][K]['args']>,
    call: IncomingCall,
  ) => Awaitable<Given<C['methods'][K]['result']>>
}

export interface PlainInterfaceOptions {
  /** Whatever follows the arguments of a request is left alone, as Windows and Samba do: only for who has to stand in for one of them. */
  readonly ignoreTrailing?: boolean
}

type AnyImplementation = Readonly<Record<string, (args: unknown, call: IncomingCall) => unknown>>

/**
 * Serves a contract by plain calls, as interfaces that are older than objects do: its own UUID and version, opnums from 0,
 * nothing in front of the arguments or behind the results. What foreign clients put behind the arguments is known, and nothing else is
 * taken. What a function throws becomes a fault.
 */
export function plainInterface<C extends Contract>(
  contract: C,
  implementation: PlainImplementation<C>,
  { ignoreTrailing = false }: PlainInterfaceOptions = {},
): RpcInterface {
  const operations = operationsOf(contract)
  const functions = implementation as unknown as AnyImplementation
  return {
    id: { uuid: contract.uuid, major: contract.major, minor: contract.minor },
    opnums: operations.length,
    dispatch(call) {
      const operation = operations[call.opnum]
      const run = operation === undefined ? undefined : functions[operation.name]
      if (operation === undefined || run === undefined) {
        throw new BusbarError('NOT_IN_CONTRACT', `${contract.name} has no operation ${call.opnum}`)
      }
      const reader = call.arguments()
      const args = operation.request.read(reader, NO_REFERENCES)
      if (!ignoreTrailing) readTrailing(reader, operation.path)
      const result = run.call(functions, args, call)
      if (result instanceof Promise) {
        result.then(
          (value) => answer(call, operation, args, value),
          (thrown: unknown) => call.fail(thrown),
        )
      } else answer(call, operation, args, result)
      return undefined
    },
  }
}

/** Sizes of `[out]` arrays may stand among the arguments, so results are written with those at hand. */
function answer(call: IncomingCall, { reply, result }: Procedure, args: unknown, value: unknown): void {
  try {
    const all = result.kind === 'out' ? Object.assign({}, args, value) : value
    const writer = call.results(reply.measure(all))
    reply.write(writer, all, NO_REFERENCES)
    call.answer(writer)
  } catch (thrown) {
    call.discard()
    call.fail(thrown)
  }
}
