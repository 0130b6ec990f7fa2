import type { ByteLink } from '../../../link/index.ts'

/** A link that breaks the contract in one way: `change` overrides parts of a good one, and the check named `by` must fail. */
export interface Mutant<Link extends ByteLink> {
  readonly by: string
  readonly change: (good: Link, peer: ByteLink) => Partial<Link>
}

/** A promise that nobody settles. */
export const NEVER: Promise<never> = new Promise<never>(() => {})
