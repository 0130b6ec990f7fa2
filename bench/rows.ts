/** One line of the results: a figure beside its baseline of the same run. */
export interface Row {
  readonly case: string
  readonly value: number
  readonly unit: string
  /** The baseline in the same unit; for memory, the start. */
  readonly baseline: number
  /** value / baseline. */
  readonly ratio: number
  /** What was asked for, when something was: `>= 0.35` of the ratio, or `< 1 ms` of the value. */
  readonly target?: string
  /** Lowest and highest ratio of the repetitions. */
  readonly spread?: readonly [number, number]
  /** Why there are no figures. */
  readonly missing?: string
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** A row from repetitions: medians, and the spread of the ratios. */
export function rowOf(name: string, unit: string, values: number[], baselines: number[], target: string): Row {
  const ratios = values.map((value, i) => value / (baselines[i] ?? Number.NaN))
  const spread = [Math.min(...ratios), Math.max(...ratios)] as const
  return { case: name, value: median(values), unit, baseline: median(baselines), ratio: median(ratios), target, spread }
}

/** Results as JSON, as the formatter wants it: numbers of one list on one line. */
export function formatted(results: unknown): string {
  const line = (_: string, numbers: string): string => `[${numbers.trim().split(/\s+/).join(' ')}]`
  return `${JSON.stringify(results, undefined, 2).replaceAll(/\[([\d\s,.]*)\]/g, line)}\n`
}
