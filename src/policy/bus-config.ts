import { BusbarError, escapePeerText } from '../errors/index.ts'
import { directPairs } from './direct.ts'
import { CONFIG_LIMITS } from './limits.ts'
import type { Located } from './located.ts'
import { quote } from './located.ts'
import { closestName, HOST_NAME, PARTITION_NAME } from './names.ts'
import { type PartitionConfig, partitionShape } from './partition-config.ts'
import { type Problem, Problems } from './problem.ts'
import { type Rule, ruleShape } from './rule.ts'
import { type JsonSchema, listOf, mappingOf, optional, record, refine, type Shape } from './shape.ts'
import { readYaml } from './yaml.ts'

/** What `busbar.yaml` says, in canonical values. */
export interface BusConfig {
  readonly partitions: ReadonlyMap<string, PartitionConfig>
  /** In the order of the file. Without any, everything is denied. */
  readonly policy: readonly Rule[]
}

const partitions: Shape<ReadonlyMap<string, PartitionConfig>> = refine(
  mappingOf(
    { what: 'names of partitions (a-z, 0-9 and -, a letter first, at most 63)', pattern: PARTITION_NAME },
    partitionShape,
    CONFIG_LIMITS.partitions,
  ),
  (named, at, problems) => {
    if (!named.has(HOST_NAME)) return named
    problems.add(at, `found a partition called "${HOST_NAME}", which is the name of the host's own programs`)
    return undefined
  },
)

const rules: Shape<readonly Rule[]> = (() => {
  const list = listOf(ruleShape, 'a list of rules')
  return {
    schema: { ...list.schema, maxItems: CONFIG_LIMITS.rules },
    read: (node: Located, problems: Problems): readonly Rule[] | undefined =>
      problems.inPolicy(() => {
        if (node.kind === 'list' && node.items.length > CONFIG_LIMITS.rules) {
          problems.add(node.at, `${node.items.length} rules, at most ${CONFIG_LIMITS.rules} are allowed`)
          return undefined
        }
        return list.read(node, problems)
      }),
  }
})()

const file: Shape<BusConfig> = record<BusConfig>('a mapping with the keys partitions and policy', {
  partitions: optional(partitions, new Map(), 'the partitions of the bus, by name'),
  policy: optional(rules, [], 'who may open what: the first rule that matches decides; without one it is denied'),
})

/** What to do where there is nothing yet. */
const TO_BEGIN = 'Write, to begin with: partitions: { web: { kind: process, run: [node, web.mjs] } }'

/** The same table as JSON Schema (draft 7), for editors. */
export const busConfigSchema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Busbar configuration (busbar.yaml)',
  ...file.schema,
}

/** A name in a rule that no partition has is a slip of the pen; in a `deny` it would silently leave the door open. */
function checkRuleNames(root: Located, names: ReadonlySet<string>, problems: Problems): void {
  if (root.kind !== 'mapping') return
  const policy = root.entries.find(({ key }) => key === 'policy')?.value
  for (const rule of policy?.kind === 'list' ? policy.items : []) {
    for (const { key, value } of rule.kind === 'mapping' ? rule.entries : []) {
      if (key !== 'allow' && key !== 'deny' && key !== 'to') continue
      for (const node of value.kind === 'list' ? value.items : [value]) {
        if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value === '*') continue
        if (node.value === HOST_NAME && key !== 'to') {
          // Accepted, such a rule would look as if it held.
          problems.add(
            node.at,
            `found "${HOST_NAME}" as a caller, which no rule is about: its operator may open everything`,
          )
          continue
        }
        if (names.has(node.value) || !PARTITION_NAME.test(node.value)) continue
        const near = closestName(node.value, names)
        const hint = near === undefined ? 'Declare it under "partitions".' : `Did you mean ${quote(near)}?`
        problems.add(node.at, `found the unknown partition ${quote(node.value)}, expected one of this file`, hint)
      }
    }
  }
}

/** Each pair costs both machines a device, and `*` can mean very many. */
function checkDirect(root: Located, config: BusConfig, problems: Problems): void {
  const shared = new Map<string, number>()
  for (const name of directPairs(config).flat()) shared.set(name, (shared.get(name) ?? 0) + 1)
  for (const [name, count] of shared) {
    if (count <= CONFIG_LIMITS.direct) continue
    problems.add(
      root.at,
      `found ${quote(name)} sharing memory with ${count} machines, at most ${CONFIG_LIMITS.direct} are allowed`,
      'Name the partitions in rules with "direct".',
    )
  }
}

/** The configuration, or everything that is wrong with it. Never throws for what stands in the file. */
export function checkBusConfig(
  source: string,
  fileName: string,
): { readonly config: BusConfig; readonly problems: readonly [] } | { readonly problems: readonly Problem[] } {
  const { config, problems } = read(source, fileName)
  return config === undefined ? { problems: problems.list() } : { config, problems: [] }
}

/**
 * Parses `busbar.yaml`.
 *
 * @param source the text of the file
 * @param fileName as it is to be printed
 * @throws BusbarError `CONFIG`, or `POLICY` when only rules are wrong, with one line `file:line:column: ...` per problem
 */
export function parseBusConfig(source: string, fileName: string): BusConfig {
  const { config, problems } = read(source, fileName)
  if (config === undefined) throw problems.toError()
  return config
}

/** The error for a configuration file that could not be read, for those who read files. */
export function configUnreadable(fileName: string, cause: unknown): BusbarError {
  const message = `${quote(fileName)} could not be read, a configuration file is expected there`
  const hint = `Name another file. ${TO_BEGIN}`
  const place = { file: escapePeerText(fileName), line: undefined, column: undefined, message, hint }
  return new BusbarError('CONFIG', message, { stage: 'config', cause, hints: [hint], places: [place] })
}

function read(source: string, fileName: string): { config: BusConfig | undefined; problems: Problems } {
  const problems = new Problems(fileName)
  const root = readYaml(source, problems)
  if (root === undefined) return { config: undefined, problems }
  const config = file.read(root, problems)
  if (root.kind === 'mapping' && root.entries.length === 0) {
    problems.add(root.at, 'found an empty file, expected the keys partitions and policy', TO_BEGIN)
  }
  const declared = root.kind === 'mapping' ? root.entries.find(({ key }) => key === 'partitions')?.value : undefined
  const names = declared?.kind === 'mapping' ? declared.entries.map(({ key }) => key) : []
  problems.inPolicy(() => {
    checkRuleNames(root, new Set([...names, HOST_NAME]), problems)
    if (config !== undefined) checkDirect(root, config, problems)
  })
  return { config: problems.count === 0 ? config : undefined, problems }
}
