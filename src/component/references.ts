import type { TypeNode } from '../rpc/index.ts'
import type { Operation } from './interface.ts'
import { heldOf } from './proxy.ts'

/**
 * The values in `value` that stand where its type says there is a reference. The value may not fit its type: that is
 * why the answer failed, and what it holds must be let go of all the same.
 */
export function referencesIn(node: TypeNode, value: unknown, into: unknown[] = []): unknown[] {
  if (typeof value !== 'object' || value === null) return into
  switch (node.kind) {
    case 'ref':
      into.push(value)
      return into
    case 'optional':
      return referencesIn(node.item, value, into)
    case 'array':
      if (Array.isArray(value)) for (const item of value) referencesIn(node.item, item, into)
      return into
    case 'map':
      if (value instanceof Map) for (const item of value.values()) referencesIn(node.value, item, into)
      return into
    case 'variant': {
      const { fields = [] } = node.cases.find(({ name }) => name === (value as Record<string, unknown>)[node.tag]) ?? {}
      return referencesIn({ kind: 'struct', fields }, value, into)
    }
    case 'struct':
      for (const { name, type } of node.fields) referencesIn(type, (value as Record<string, unknown>)[name], into)
      return into
    default:
      return into
  }
}

/** Releases the proxies among items of a stream, which `next` gives in pages. */
export function releaseItems({ result, reply }: Operation, items: readonly unknown[]): void {
  if (result === undefined || !reply.refs) return
  for (const each of referencesIn(result, { items, done: false })) void heldOf(each)?.release()
}
