import { type Contract, contractsWithin, type Procedure, procedureAt } from '../rpc/index.ts'
import { type Difference, TypeDiff } from './diff-types.ts'

/** What became of one contract. */
export interface ContractDiff {
  readonly name: string
  /** The versions before and after; `undefined` where there is none. */
  readonly before: string | undefined
  readonly after: string | undefined
  /** Whether an old caller goes on working against a new component. */
  readonly compatible: boolean
  readonly differences: readonly Difference[]
  /** What is still to be done, in words; `undefined` when the change is compatible and has its version. */
  readonly needs: string | undefined
}

/**
 * Compares what was with what is, by the rules of `docs/protocol/versions.md`: the contracts given and all that they refer
 * to, each by its name and major version.
 */
export function diffContracts(before: readonly Contract[], after: readonly Contract[]): ContractDiff[] {
  const [old, now] = [contractsWithin(before), contractsWithin(after)]
  const keyOf = ({ name, major }: Contract): string => `${name} ${major}`
  const compared = old.map((contract) => {
    const same = now.find((other) => keyOf(other) === keyOf(contract))
    return same === undefined ? gone(contract, now) : compare(contract, same)
  })
  const known = new Set(old.map(keyOf))
  const added = now
    .filter((contract) => !known.has(keyOf(contract)))
    .map(({ name, version }): ContractDiff => {
      return { name, before: undefined, after: version, compatible: true, differences: [], needs: undefined }
    })
  return [...compared, ...added]
}

function compare(before: Contract, after: Contract): ContractDiff {
  const diff = new TypeDiff()
  if (before.uuid !== after.uuid) {
    diff.add('UUID', `was ${before.uuid}, is ${after.uuid}: for callers it is another interface`, 'major')
  }
  diffMethods(before.procedures, after.procedures, diff)
  const differences = diff.found
  const { name, version, major, minor } = before
  const compatible = !differences.some(({ effect }) => effect === 'major')
  const common = { name, before: version, after: after.version, compatible, differences }
  if (!compatible) return { ...common, needs: `version ${major + 1}.0, with ${version} beside it for old callers` }
  const least = differences.some(({ effect }) => effect === 'minor') ? minor + 1 : minor
  return { ...common, needs: after.minor >= least ? undefined : `version ${major}.${least}` }
}

/** A contract whose major version is no more. */
function gone(before: Contract, now: readonly Contract[]): ContractDiff {
  const { name, version } = before
  const next = now.filter((other) => other.name === name).toSorted((a, b) => b.major - a.major)[0]
  if (next === undefined) {
    const needs = `${version} again, as long as there are old callers`
    const differences = [{ where: 'contract', what: 'removed', effect: 'major' } as const]
    return { name, before: version, after: undefined, compatible: false, differences, needs }
  }
  const diff = new TypeDiff()
  if (next.uuid === before.uuid) {
    diff.add('UUID', `${next.uuid} is that of ${version} too; a new major version has one of its own`, 'major')
  }
  diffMethods(before.procedures, next.procedures, diff)
  const needs = `${version} beside ${next.version}, as long as there are old callers`
  return { name, before: version, after: next.version, compatible: false, differences: diff.found, needs }
}

function diffMethods(before: readonly Procedure[], after: readonly Procedure[], diff: TypeDiff): void {
  const names = new Set(before.map(({ name }) => name))
  const newNames = new Set(after.map(({ name }) => name))
  const renamed = new Set<string>()
  for (const old of before) {
    const { name, number } = old
    const at = procedureAt(after, number)
    const moved = after.find((other) => other.name === name)
    if (at?.name === name) diffMethod(old, at, diff)
    else if (moved !== undefined) {
      diff.add(
        name,
        `number ${number} became ${moved.number}; append methods, or pin this one with opnum: ${number}`,
        'major',
      )
    } else if (at !== undefined && !names.has(at.name) && sameSignature(old, at)) {
      renamed.add(at.name)
      if (old.pull === undefined) diff.add(name, `renamed to "${at.name}"; numbers travel, not names`, 'none')
      else diff.add(name, `renamed to "${at.name}"; the identity of its stream follows from its name`, 'major')
      diffMethod(old, at, diff)
    } else
      diff.add(
        name,
        at === undefined ? 'removed' : `removed, its number ${number} is now that of "${at.name}"`,
        'major',
      )
  }
  const last = before.at(-1)?.number ?? -1
  for (const { name, number } of after) {
    if (names.has(name) || renamed.has(name)) continue
    const displaced = procedureAt(before, number)
    if (number > last) diff.add(name, `added at the end, number ${number}`, 'minor')
    else if (displaced === undefined) diff.add(name, `added, number ${number}, which was free`, 'minor')
    // One that is gone was told with who has its number now.
    else if (newNames.has(displaced.name))
      diff.add(name, `added at number ${number}, which was that of "${displaced.name}"`, 'major')
  }
}

function diffMethod(before: Procedure, after: Procedure, diff: TypeDiff): void {
  const { name } = before
  diff.fields(before.args, after.args, 'in', (argument) => `${name}, argument ${argument}`, false)
  diff.type(before.result, after.result, { where: `${name}, result`, direction: 'out', inside: false, aligns: false })
  const [was, is] = [before.options.idempotent === true, after.options.idempotent === true]
  if (was && !is) diff.add(name, 'no longer idempotent; an old caller may repeat it', 'major')
  if (is && !was) diff.add(name, 'idempotent now; a new caller may repeat it', 'minor')
}

/** Whether they take and give the same, but for what they are called. */
function sameSignature(before: Procedure, after: Procedure): boolean {
  const diff = new TypeDiff()
  diff.fields(before.args, after.args, 'in', (name) => name, false)
  diff.type(before.result, after.result, { where: '', direction: 'out', inside: false, aligns: false })
  return diff.found.length === 0
}

/** Whether old callers go on and nothing is left to be done. */
export function isCompatible(diffs: readonly ContractDiff[]): boolean {
  return diffs.every(({ compatible, needs }) => compatible && needs === undefined)
}

const MARKS = { none: ' ', minor: '+', major: '!' } as const

/** For people: a heading for each contract, and below it its differences. */
export function renderDiff(diffs: readonly ContractDiff[]): string[] {
  return diffs.flatMap(({ name, before, after, compatible, differences, needs }) => {
    const versions = before === after ? before : [before, after].filter((one) => one !== undefined).join(' -> ')
    const verdict = compatible ? (differences.length === 0 ? 'no differences' : 'compatible') : 'not compatible'
    const heading = `${name} ${versions}: ${before === undefined ? 'added' : verdict}`
    const lines = differences.map(({ where, what, effect }) => `  ${MARKS[effect]} ${where}: ${what}`)
    return [heading, ...lines, ...(needs === undefined ? [] : [`  needs ${needs}`])]
  })
}
