/** A source with one text replaced, to show that some check notices. */
export interface Mutant {
  readonly name: string
  readonly file: string
  /** Where in the file, and what. */
  readonly at: number
  readonly from: string
  readonly to: string
}

export interface GuardRules {
  /** A guard with all up to what it does; its one group is the condition. */
  readonly guard: RegExp
  /** What sizes are counted in: one unit less is the next value that is possible at all. */
  readonly unit: number
}

/** Every guard of a file: without each of its clauses, without each condition of a clause, and one step weaker where it compares. */
export function guardMutants(file: string, text: string, { guard, unit }: GuardRules): Mutant[] {
  const mutants: Mutant[] = []
  for (const { 0: from, 1: condition = '', index } of text.matchAll(guard)) {
    const line = text.slice(0, index).split('\n').length
    const change = (to: string, how: string): void => {
      const name = `${file}:${line} ${how}: if (${condition})`
      mutants.push({ name, file, at: index, from, to: from.replace(condition, () => to) })
    }
    const clauses = condition.split(' || ')
    for (const clause of clauses) {
      const other = (by: string): string => clauses.map((each) => (each === clause ? by : each)).join(' || ')
      change(other('false'), `without ${clause}`)
      const weaker = weaken(clause, unit)
      if (weaker !== undefined) change(other(weaker), `weaker, ${weaker}`)
      const terms = clause.split(' && ')
      for (const term of terms.length > 1 ? terms : []) {
        const left = terms.filter((each) => each !== term).join(' && ')
        change(other(left), `without "${term}" in ${clause}`)
      }
    }
  }
  return mutants
}

/** A comparison that lets one more pass. */
function weaken(clause: string, unit: number): string | undefined {
  const [, left = '', operator = '', right = ''] = /^(.+?) (>=|<=|>|<) (.+)$/.exec(clause) ?? []
  switch (operator) {
    case '>=':
      return `${left} > ${right}`
    case '<=':
      return `${left} < ${right}`
    case '>':
      return `${left} > (${right}) + ${unit}`
    case '<':
      return `${left} < (${right}) - ${unit}`
    default:
      return undefined
  }
}

/** What has no guard: one text of a file, which is there once, and another for it. Throws where it is not. */
export function stepMutant(file: string, text: string, from: string, to: string): Mutant {
  const at = text.indexOf(from)
  if (at < 0 || text.indexOf(from, at + 1) >= 0) throw new Error(`${file} does not have once: ${from}`)
  return { name: `${file}: ${JSON.stringify(to)} for ${JSON.stringify(from)}`, file, at, from, to }
}

/** The source as the mutant has it. */
export function mutatedText(text: string, { at, from, to }: Mutant): string {
  return text.slice(0, at) + to + text.slice(at + from.length)
}

/** The first check that notices: that throws, or rejects. */
export async function killerOf<T>(
  checks: readonly (readonly [name: string, check: (of: T) => unknown])[],
  of: T,
): Promise<string | undefined> {
  for (const [name, check] of checks) {
    try {
      await check(of)
    } catch {
      return name
    }
  }
  return undefined
}
