import { BusbarError } from '../../errors/index.ts'
import type { Contract } from '../contract/contract.ts'
import type { Procedure } from '../contract/procedure.ts'
import type { RefPort } from '../ndr/codec.ts'

/** An opnum is 16 bits (C706 12.6.4.9). */
const MAX_OPNUM = 0xffff

/**
 * The procedures of a contract by opnum: a method without a number of its own follows the one in front of it. Holes are
 * operations that the contract leaves out. `INVALID_ARGUMENT` for numbers that go back, and for what plain calls cannot
 * carry: references and streams.
 */
export function operationsOf(contract: Contract): readonly (Procedure | undefined)[] {
  const operations: (Procedure | undefined)[] = []
  for (const procedure of contract.procedures) {
    const { opnum = operations.length } = procedure.options
    if (!(Number.isInteger(opnum) && opnum >= operations.length && opnum <= MAX_OPNUM)) {
      throw wrong(`${procedure.path}: opnum ${opnum} is not an integer from ${operations.length} to ${MAX_OPNUM}`)
    }
    if (procedure.request.refs || procedure.reply.refs) {
      throw wrong(`${procedure.path}: plain calls carry no references and no streams`)
    }
    while (operations.length < opnum) operations.push(undefined)
    operations.push(procedure)
  }
  return operations
}

function wrong(message: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', message, { stage: 'contract' })
}

/** Where references would go; `operationsOf` has seen that there are none. */
export const NO_REFERENCES: RefPort = { give: refuse, take: refuse }

function refuse(): never {
  throw new BusbarError('INTERNAL', 'a reference in a plain call')
}
