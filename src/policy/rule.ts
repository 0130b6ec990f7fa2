import { SERVICE_NAME, PARTITION_NAME } from './names.ts'
import { describeFound, type Located } from './located.ts'
import type { Problems } from './problem.ts'
import { choice, type JsonSchema, optional, record, refine, required, type Shape, truth } from './shape.ts'

/** The two ways a channel treats boundaries; written like the modes of an offer. */
export type ChannelMode = 'byte' | 'message'

/** Names that a rule is about: all of them, or those listed. */
export type Names = '*' | readonly string[]

/** One rule, in canonical form. The first that matches decides. */
export interface Rule {
  readonly effect: 'allow' | 'deny'
  /** Calling partitions. */
  readonly from: Names
  /** Target partitions. A star allows every partition and not the host, which must be named; it denies the host as well. */
  readonly to: Names
  readonly service: Names
  /** Only channels of this mode; `undefined`: of both. */
  readonly mode: ChannelMode | undefined
  /** Whether what it allows may go from machine to machine in memory that only those two share. */
  readonly direct: boolean
  /** Where it stands. */
  readonly file: string
  readonly line: number
}

/** The one way a rule is printed: `allow web to storage service files.FileStore`. */
export function ruleText({ effect, from, to, service, mode, direct }: Omit<Rule, 'file' | 'line'>): string {
  const names = (some: Names): string => (some === '*' ? '*' : some.join(', '))
  const suffix = `${mode === undefined ? '' : ` mode ${mode}`}${direct ? ' direct' : ''}`
  return `${effect} ${names(from)} to ${names(to)} service ${names(service)}${suffix}`
}

/** One name, a list of names, or '*'. */
function namesShape(what: string, pattern: RegExp): Shape<Names> {
  const readName = (node: Located, problems: Problems): string | undefined => {
    if (node.kind === 'scalar' && typeof node.value === 'string' && pattern.test(node.value)) return node.value
    const found = describeFound(node)
    const partly = node.kind === 'scalar' && typeof node.value === 'string' && node.value.includes('*')
    problems.add(
      node.at,
      `found ${found}, expected ${what}`,
      partly ? "A star stands alone, as '*', and means all; parts of names are not matched." : undefined,
    )
    return undefined
  }
  const name: JsonSchema = { type: 'string', pattern: pattern.source }
  return {
    schema: { oneOf: [{ const: '*' }, name, { type: 'array', items: name, minItems: 1, uniqueItems: true }] },
    read(node, problems) {
      if (node.kind === 'scalar' && node.value === '*') return '*'
      if (node.kind !== 'list') {
        const one = readName(node, problems)
        return one === undefined ? undefined : [one]
      }
      // An empty list matches nothing, so a rule with one does nothing: nobody means that.
      if (node.items.length === 0) problems.add(node.at, `found an empty list, expected ${what}`)
      const names = node.items.map((item) => readName(item, problems))
      if (names.length === 0 || names.includes(undefined)) return undefined
      return [...new Set(names as string[])]
    },
  }
}

const partitions = namesShape("the name of a partition, a list of names, or '*'", PARTITION_NAME)
const services = namesShape("the name of a service, a list of names, or '*'", SERVICE_NAME)

interface WrittenRule {
  readonly allow: Names | undefined
  readonly deny: Names | undefined
  readonly to: Names
  readonly service: Names
  readonly mode: ChannelMode | undefined
  readonly direct: boolean
}

/** Targets and services are never left out: a rule means no more than what it says. */
const written: Shape<WrittenRule> = record<WrittenRule>('a rule such as { allow: web, to: storage, service: files }', {
  allow: optional(partitions, undefined, 'the calling partitions that may'),
  deny: optional(partitions, undefined, 'the calling partitions that may not'),
  to: required(partitions, 'the target partitions'),
  service: required(services, 'the services'),
  mode: optional(choice('byte', 'message'), undefined, 'only channels of this mode'),
  direct: optional(
    truth(),
    false,
    'whether the bytes may go between two virtual machines in memory that only they share',
  ),
})

const located: Shape<Rule> = refine(written, (rule, at, problems): Rule | undefined => {
  const { allow, deny, to, service, mode, direct } = rule
  const from = allow ?? deny
  if (from === undefined || (allow !== undefined && deny !== undefined)) {
    const found = from === undefined ? 'neither "allow" nor "deny"' : 'both "allow" and "deny"'
    problems.add(at, `found ${found}, expected one of them`)
    return undefined
  }
  if (direct && allow === undefined) {
    problems.add(at, 'found "direct" in a rule that denies: nothing goes there')
    return undefined
  }
  const effect = allow === undefined ? 'deny' : 'allow'
  return { effect, from, to, service, mode, direct, file: problems.file, line: at.line }
})

export const ruleShape: Shape<Rule> = {
  ...located,
  schema: { ...written.schema, oneOf: [{ required: ['allow'] }, { required: ['deny'] }] },
}
