import type { AccessPolicy } from '../bus/index.ts'
import type { AuditRecord, PolicyStore } from '../policy/index.ts'
import { HOST_PARTITION } from '../services/index.ts'

/** What the audit is told of an opening by the operator's own programs, which no rule of the file is about. */
const OPERATOR_RULE = 'the operator of this bus may open everything'

/**
 * The policy as the bus asks for it. The host's own programs hold the operator's socket, which only the operator can open:
 * what they open is recorded and not refused.
 */
export function accessPolicy(store: PolicyStore, audit: (record: Omit<AuditRecord, 'sequence'>) => void): AccessPolicy {
  return {
    decide: (question) => {
      if (question.caller !== HOST_PARTITION) {
        const { allowed, reason, direct } = store.decide(question)
        return { allowed, rule: reason, direct }
      }
      const { generation } = store
      audit({ ...question, at: Date.now(), allowed: true, rule: undefined, generation, reason: OPERATOR_RULE })
      return { allowed: true, rule: OPERATOR_RULE }
    },
    sees: (question) => question.caller === HOST_PARTITION || store.policy.decide(question).allowed,
  }
}
