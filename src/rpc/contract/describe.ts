import type { Contract } from './contract.ts'
import type { ArrayShape, Count, FieldNode, Json, TypeNode } from './type.ts'

/** The form of descriptions. Readers take no other; it grows when something is described in another way. */
export const DESCRIPTION_VERSION = 1

/** What each kind of type has inside: the one place that knows, for all that walk through contracts. */
export function insideOf(node: TypeNode): readonly TypeNode[] {
  const types = (fields: readonly FieldNode[]): readonly TypeNode[] => fields.map(({ type }) => type)
  switch (node.kind) {
    case 'array':
    case 'sequence':
    case 'optional':
    case 'stream':
      return [node.item]
    case 'map':
      return [node.key, node.value]
    case 'struct':
      return types(node.fields)
    case 'variant':
      return node.cases.flatMap(({ fields }) => types(fields))
    case 'union':
      return [node.tag, ...node.arms.map(({ type }) => type), ...(node.fallback === undefined ? [] : [node.fallback])]
    case 'pointer':
    case 'box':
      return [node.to]
    case 'out':
      return [...types(node.fields), ...(node.returns === undefined ? [] : [node.returns])]
    default:
      return []
  }
}

/** The contracts and all that calls on their objects can lead to, each once, those given first. */
export function contractsWithin(contracts: readonly Contract[]): Contract[] {
  const found = new Map<string, Contract>()
  const visit = (contract: Contract): void => {
    if (!found.has(contract.uuid)) found.set(contract.uuid, contract)
  }
  for (const contract of contracts) visit(contract)
  // The map grows while it is walked, and a map visits what was added.
  for (const { procedures } of found.values()) {
    for (const { args, result } of procedures) {
      const pending = [result, ...args.map(({ type }) => type)]
      for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
        if (node.kind === 'ref') visit(node.contract())
        else pending.push(...insideOf(node))
      }
    }
  }
  return [...found.values()]
}

/**
 * Contracts as data, for a program that does not have them: names, numbers and types of their methods, and of all
 * contracts that they refer to. `contractsFrom` makes contracts of it again. The form: `docs/protocol/versions.md`.
 */
export function describeContracts(contracts: readonly Contract[]): Json {
  return {
    schemaVersion: DESCRIPTION_VERSION,
    implements: contracts.map(({ uuid }) => uuid),
    contracts: contractsWithin(contracts).map(describeContract),
  }
}

export function describeContract({ name, version, uuid, procedures }: Contract): Json {
  return {
    name,
    version,
    uuid,
    methods: procedures.map(({ name: method, number, options, args, result }) => ({
      name: method,
      number,
      ...(options.idempotent === true ? { idempotent: true } : {}),
      args: describeFields(args),
      result: describeType(result),
    })),
  }
}

function describeFields(fields: readonly FieldNode[]): Json {
  return fields.map(({ name, type }) => ({ name, type: describeType(type) }))
}

/** A type as data: the name of its kind where that says all, else an object with `kind`. */
function describeType(node: TypeNode): Json {
  switch (node.kind) {
    case 'enumeration': {
      const { kind, names, values, bits } = node
      return { kind, names, ...(values === undefined ? {} : { values }), ...(bits === undefined ? {} : { bits }) }
    }
    case 'struct':
      return { kind: node.kind, fields: describeFields(node.fields) }
    case 'array':
    case 'optional':
    case 'stream':
      return { kind: node.kind, item: describeType(node.item) }
    case 'map':
      return { kind: node.kind, key: describeType(node.key), value: describeType(node.value) }
    case 'variant': {
      const cases = node.cases.map(({ name, fields }) => ({ name, fields: describeFields(fields) }))
      return { kind: node.kind, tag: node.tag, cases }
    }
    case 'ref':
      return { kind: node.kind, contract: node.contract().uuid }
    case 'sequence':
      return { kind: node.kind, item: describeType(node.item), shape: describeShape(node.shape) }
    case 'octets':
      return { kind: node.kind, shape: describeShape(node.shape) }
    case 'text':
      return { kind: node.kind, bits: node.bits, terminated: node.terminated, shape: describeShape(node.shape) }
    case 'union': {
      const { kind, tag, switchIs, arms, fallback } = node
      return {
        kind,
        tag: describeType(tag),
        ...(switchIs === undefined ? {} : { switchIs }),
        arms: arms.map(({ label, type }) => ({ label, type: describeType(type) })),
        ...(fallback === undefined ? {} : { fallback: describeType(fallback) }),
      }
    }
    case 'pointer':
    case 'box':
      return { kind: node.kind, to: describeType(node.to) }
    case 'out': {
      const { kind, fields, returns } = node
      return {
        kind,
        fields: describeFields(fields),
        ...(returns === undefined ? {} : { returns: describeType(returns) }),
      }
    }
    case 'void':
    case 'string':
    case 'bytes':
    case 'json':
    case 'handle':
      return node.kind
    default:
      return node.range === undefined ? node.kind : { kind: node.kind, range: node.range }
  }
}

/** With the words of `t.idl`, as `Shape` has them. */
function describeShape(shape: ArrayShape): Json {
  const length = 'lengthIs' in shape ? countText(shape.lengthIs) : true
  switch (shape.form) {
    case 'fixed':
      return { fixed: shape.length }
    case 'varying':
      return { fixed: shape.most, length }
    case 'conformant':
      return { size: countText(shape.sizeIs) }
    case 'conformant-varying':
      return { size: countText(shape.sizeIs), length }
    default:
      return shape satisfies never
  }
}

/** A count as `t.idl` takes it: `name`, `name / 2`, a number as text, or `true` where nothing says it. */
function countText(count: Count | undefined): string | true {
  if (count === undefined) return true
  if (typeof count === 'number') return `${count}`
  return count.operator === undefined ? count.name : `${count.name} ${count.operator} ${count.operand}`
}
