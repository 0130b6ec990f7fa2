import { BusbarError, escapePeerText } from '../../errors/index.ts'
import type { Contract } from './contract.ts'

/**
 * Why a method of this side's contract was refused by a peer whose contract has none of that number: `NOT_IN_CONTRACT`, with
 * both versions. `theirs` is what the peer describes; `undefined` where it does not.
 */
export function notServed(ours: Contract, method: string, theirs: readonly Contract[] | undefined): BusbarError {
  const served = theirs?.find(({ uuid }) => uuid === ours.uuid)?.version
  const lacks =
    served === undefined ? 'the other side has not' : `version ${escapePeerText(served)} of the other side has not`
  return new BusbarError(
    'NOT_IN_CONTRACT',
    `${ours.name}.${method} is in version ${ours.version} here, and ${lacks} that`,
    {
      stage: 'call',
      hints: ['`busbar ls PARTITION/SERVICE` shows what is served there'],
    },
  )
}
