import type { CallOptions, Client, Implementation } from './call.ts'
import { type Contract, contract } from './contract.ts'
import { describeContracts } from './describe.ts'
import { contractsFrom } from './describe-read.ts'
import { type Method, method } from './method.ts'
import { t } from './t.ts'
import type { Json, Type } from './type.ts'

/** What every object answers to besides its own contracts: it says what those are. */
export const Described: Contract<{ readonly describe: Method<Record<never, never>, Type<Json>> }> = contract(
  'busbar.Described',
  { version: '1.0' },
  {
    /** The contracts of the object and of all that calls on it lead to, in the form of `describeContracts`. */
    describe: method({}, t.json, { idempotent: true }),
  },
)

/** Serves `Described` for an object of these contracts, asked for each time. */
export function describing(contracts: () => readonly Contract[]): Implementation<typeof Described> {
  return { describe: () => describeContracts(contracts()) }
}

/** The contracts of an object whose own are not known here. Rejects as every call does, and as `contractsFrom` throws. */
export async function contractsOf(described: Client<typeof Described>, options?: CallOptions): Promise<Contract[]> {
  return contractsFrom(await described.describe({}, options))
}
