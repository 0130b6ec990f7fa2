import { escapePeerText } from '../errors/index.ts'
import { PARTITION_NAME, SERVICE_NAME } from './names.ts'
import type { ChannelMode } from './rule.ts'

/** Who wants to open what. */
export interface Question {
  /** The calling partition as the bus knows it by its link, never what it says of itself. */
  readonly caller: string
  readonly target: string
  readonly service: string
  /** `undefined` where it is not known yet: then only what holds for both modes is allowed. */
  readonly mode?: ChannelMode | undefined
}

/** What is not a name in `question`, in words; `undefined` when all are names. Only names can be allowed anything. */
export function invalidName({ caller, target, service }: Question): string | undefined {
  if (!PARTITION_NAME.test(caller)) return `"${escapePeerText(caller, 64)}" is not a name of a partition`
  if (!PARTITION_NAME.test(target)) return `"${escapePeerText(target, 64)}" is not a name of a partition`
  if (!SERVICE_NAME.test(service)) return `"${escapePeerText(service, 64)}" is not a name of a service`
  return undefined
}

/** The rule that would allow exactly this, as it is written in the file; for the hint beside a denial. */
export function allowingRule({ caller, target, service, mode }: Question): string {
  const suffix = mode === undefined ? '' : `, mode: ${mode}`
  return `- { allow: ${caller}, to: ${target}, service: ${service}${suffix} }`
}
