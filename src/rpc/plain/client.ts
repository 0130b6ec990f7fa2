import { BusbarError } from '../../errors/index.ts'
import type { RpcClient } from '../association/client.ts'
import type { Packaging } from '../association/pending-call.ts'
import type { Contract } from '../contract/contract.ts'
import type { AnyMethod } from '../contract/method.ts'
import type { Procedure } from '../contract/procedure.ts'
import type { GivenFields, Taken } from '../contract/type.ts'
import { FaultError } from '../faults.ts'
import { NO_REFERENCES, operationsOf } from './operations.ts'

export interface PlainCallOptions {
  /** Aborting rejects the call with `CANCELLED` at once and tells the server. */
  readonly signal?: AbortSignal
  /** UUID of the object that is called, for servers that tell some apart. */
  readonly object?: string
}

type PlainArgs<M extends AnyMethod> =
  Record<never, never> extends GivenFields<M['args']>
    ? [args?: GivenFields<M['args']>, options?: PlainCallOptions]
    : [args: GivenFields<M['args']>, options?: PlainCallOptions]

/** A contract's methods as functions that make plain calls. */
export type PlainClient<C extends Contract> = {
  readonly [K in keyof C['methods']]: (...call: PlainArgs<C['methods'][K]>) => Promise<Taken<C['methods'][K]['result']>>
}

/**
 * Agrees on a contract with the server of an association and gives its methods. Rejects as `RpcClient.bind` does. A call
 * rejects with a `FaultError` when the server says so, `BAD_VALUE` when an argument does not fit the contract (and
 * nothing is sent), `MALFORMED` when the answer does not.
 */
export async function plainClient<C extends Contract>(rpc: RpcClient, contract: C): Promise<PlainClient<C>> {
  const operations = operationsOf(contract)
  const { uuid, major, minor } = contract
  const context = await rpc.bind({ uuid, major, minor })
  const client: Record<string, unknown> = {}
  for (const [opnum, operation] of operations.entries()) {
    if (operation === undefined) continue
    const packaging = packagingOf(operation)
    client[operation.name] = (args: unknown = NOTHING, options?: PlainCallOptions) =>
      rpc.invoke(packaging, context, opnum, args, options)
  }
  return Object.freeze(client) as PlainClient<C>
}

const NOTHING: unknown = Object.freeze({})

function packagingOf({ request, reply, path }: Procedure): Packaging {
  return {
    measure: (args) => request.measure(args),
    write: (writer, args) => request.write(writer, args, NO_REFERENCES),
    read(reader) {
      try {
        const result = reply.read(reader, NO_REFERENCES)
        reader.done(path)
        return result
      } catch (thrown) {
        throw located(path, BusbarError.from(thrown))
      }
    },
    failed: (error) => located(path, error),
  }
}

function located(path: string, error: BusbarError): BusbarError {
  const message = `${path}: ${error.message}`
  if (error instanceof FaultError) return new FaultError(error.status, error.code, message)
  return new BusbarError(error.code, message, { cause: error, stage: 'call' })
}
