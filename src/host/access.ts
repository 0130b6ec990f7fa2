import type { AccessPolicy, Broker } from '../bus/index.ts'
import type { AuditRecord, Decision, PolicyStore, Question } from '../policy/index.ts'
import { HOST_PARTITION } from '../services/index.ts'

/** What the audit is told of an opening by the operator's own programs, which no rule of the file is about. */
const OPERATOR_RULE = 'the operator of this bus may open everything'

/**
 * The policy as the bus asks for it. The host's own programs hold the operator's socket, which only the operator can open:
 * what they open is recorded and not refused, not even when it cannot be recorded: the operator must get in to mend that.
 */
export function accessPolicy(store: PolicyStore, audit: (record: Omit<AuditRecord, 'sequence'>) => void): AccessPolicy {
  return {
    decide: (question) => {
      if (question.caller !== HOST_PARTITION) {
        const { allowed, reason, direct } = store.decide(question)
        return { allowed, rule: reason, direct }
      }
      const { generation } = store
      try {
        audit({ ...question, at: Date.now(), allowed: true, rule: undefined, generation, reason: OPERATOR_RULE })
      } catch {
        // Whoever audits has said so.
      }
      return { allowed: true, rule: OPERATOR_RULE }
    },
    sees: (question) => question.caller === HOST_PARTITION || store.policy.decide(question).allowed,
  }
}

/** Which partitions may open what is offered, and by which rule. The operator's programs may open everything. */
export function whoMayOpen(
  broker: Broker,
  names: readonly string[],
  ask: ((question: Question) => Decision) | undefined,
): unknown {
  if (ask === undefined) return undefined
  const { offers } = broker.inspect() as {
    readonly offers: readonly {
      readonly partition: string
      readonly service: string
      readonly mode: 'byte' | 'message'
    }[]
  }
  return offers.map(({ partition, service, mode }) => {
    const answers = names.map((caller) => ({ caller, ...ask({ caller, target: partition, service, mode }) }))
    const callers = answers.flatMap(({ caller, allowed, rule }) =>
      allowed && rule !== undefined ? [{ partition: caller, rule: rule.number }] : [],
    )
    return { partition, service, callers }
  })
}
