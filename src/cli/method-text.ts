import { escapePeerText } from '../errors/index.ts'
import { signatureText } from '../idl/index.ts'
import type { Procedure } from '../rpc/index.ts'

/** A method in one line, safe to print: what its values are called is the other side's choice. */
export function methodText(procedure: Procedure): string {
  return escapePeerText(signatureText(procedure))
}
