import type { SimRandom } from './inside.ts'

/** One decoder or state machine with the rules that hold whatever bytes come. */
export interface Target {
  readonly name: string
  /**
   * Draws an input, near enough to a valid one to get far. `block` is drawn from in the same way by a few dozen inputs in
   * a row: for what is costly to make. Any bytes are an input, so that those of a finding can be shortened.
   */
  draw(random: SimRandom, block: SimRandom): Uint8Array
  /** Says what came of an input, the same every time; throws when a rule is broken. */
  run(input: Uint8Array): Promise<string>
}

/** A rule did not hold. */
export class Finding extends Error {
  override readonly name = 'Finding'
}

export function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Finding(message())
}

/** Lets everything that is ready happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Bytes that differ from place to place. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + seed) & 255)
}
