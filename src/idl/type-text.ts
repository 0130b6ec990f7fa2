import type { FieldNode, Procedure, TypeNode } from '../rpc/index.ts'

/** How many names of an enumeration, or fields of a struct, are written out. Our choice: a line that a person reads. */
const SHOWN = 6

/** A type in one line, for people: `array of { name: string, size?: uint53 }`. */
export function typeText(node: TypeNode): string {
  switch (node.kind) {
    case 'void':
      return 'nothing'
    case 'enumeration':
      return `one of ${some(node.names.map((name) => JSON.stringify(name)))}`
    case 'struct':
      return fieldsText(node.fields)
    case 'array':
    case 'sequence':
      return `array of ${typeText(node.item)}`
    case 'map':
      return `map of ${typeText(node.key)} to ${typeText(node.value)}`
    case 'variant': {
      const cases = node.cases.map(({ name, fields }) => `${JSON.stringify(name)} with ${fieldsText(fields)}`)
      return `by ${node.tag}: ${some(cases)}`
    }
    case 'optional':
      return `optional ${typeText(node.item)}`
    case 'ref':
      return `object ${node.contract().name}`
    case 'stream':
      return `stream of ${typeText(node.item)}`
    case 'octets':
      return 'bytes'
    case 'text':
      return 'string'
    case 'union':
      return `union of ${some(node.arms.map(({ label, type }) => `${label}: ${typeText(type)}`))}`
    case 'pointer':
    case 'box':
      return typeText(node.to)
    case 'handle':
      return 'context handle'
    case 'out': {
      const returns = node.returns === undefined ? [] : [{ name: 'result', type: node.returns }]
      return fieldsText([...node.fields, ...returns])
    }
    case 'string':
    case 'bytes':
    case 'json':
      return node.kind
    default:
      return node.range === undefined ? node.kind : `${node.kind} from ${node.range[0]} to ${node.range[1]}`
  }
}

/** A method as people write one: `open(path: string, mode?: one of "read", "write"): object files.File`. */
export function signatureText({ name, args, result }: Procedure): string {
  return `${name}(${args.map(fieldText).join(', ')}): ${typeText(result)}`
}

function fieldsText(fields: readonly FieldNode[]): string {
  return fields.length === 0 ? 'nothing' : `{ ${some(fields.map(fieldText))} }`
}

function fieldText({ name, type }: FieldNode): string {
  return type.kind === 'optional' ? `${name}?: ${typeText(type.item)}` : `${name}: ${typeText(type)}`
}

function some(texts: readonly string[]): string {
  const rest = texts.length - SHOWN
  return rest > 1 ? `${texts.slice(0, SHOWN).join(', ')} and ${rest} more` : texts.join(', ')
}
