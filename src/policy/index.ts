/** Who may open what: parse, lint, decide, explain. */
export {
  type BusConfig,
  busConfigSchema,
  checkBusConfig,
  configUnreadable,
  parseBusConfig,
} from './bus-config.ts'
export { directPairs } from './direct.ts'
export { CONFIG_LIMITS, type ConfigLimits } from './limits.ts'
export { type UnreachableRule, unreachableRules } from './lint.ts'
export { closestName, HOST_NAME, PARTITION_NAME, SERVICE_NAME } from './names.ts'
export type {
  DiskConfig,
  ExternalPartitionConfig,
  FileConfig,
  PartitionConfig,
  ProcessPartitionConfig,
  QemuPartitionConfig,
} from './partition-config.ts'
export {
  compilePolicy,
  type DecidingRule,
  type Decision,
  type Explanation,
  type Policy,
  type RuleVerdict,
} from './policy.ts'
export { formatProblem, type Position, type Problem } from './problem.ts'
export { allowingRule, type Question } from './question.ts'
export { type ChannelMode, type Names, type Rule, ruleText } from './rule.ts'
export type { JsonSchema } from './shape.ts'
export { type AuditRecord, type LoadResult, PolicyStore, type PolicyStoreOptions } from './store.ts'
