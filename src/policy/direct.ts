import type { PartitionConfig } from './partition-config.ts'
import type { Names, Rule } from './rule.ts'

/** A configuration, as far as it says who shares memory. */
interface Sharing {
  readonly partitions: ReadonlyMap<string, PartitionConfig>
  readonly policy: readonly Rule[]
}

/**
 * The pairs of virtual machines that a rule with `direct` is about, each once, the names in order. They must share memory from their start: rules
 * that say so later find none. A deny in front of such a rule is not looked at: memory that nobody may use is only memory.
 */
export function directPairs({ partitions, policy }: Sharing): readonly (readonly [string, string])[] {
  const machines = new Set([...partitions].flatMap(([name, { kind }]) => (kind === 'qemu' ? [name] : [])))
  const among = (names: Names): readonly string[] =>
    names === '*' ? [...machines] : names.filter((name) => machines.has(name))
  const pairs = new Map<string, readonly [string, string]>()
  for (const { direct, from, to } of policy) {
    if (!direct) continue
    for (const one of among(from)) {
      for (const other of among(to)) {
        if (one === other) continue
        const pair = one < other ? ([one, other] as const) : ([other, one] as const)
        pairs.set(pair.join(' '), pair)
      }
    }
  }
  return [...pairs.values()].sort(([a, b], [c, d]) => (a === c ? compare(b, d) : compare(a, c)))
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
