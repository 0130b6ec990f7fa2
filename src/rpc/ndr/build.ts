import type { TypeNode } from '../contract/type.ts'
import type { Codec } from './codec.ts'
import { nullable, pointed } from './pointer.ts'
import { optionalReference, referenceCodec } from './reference.ts'
import { scalarCodec } from './scalar.ts'
import { arrayCodec, bytesCodec } from './sequence.ts'
import { structCodec } from './struct.ts'
import { enumerationCodec, stringCodec } from './text.ts'
import { BusbarError } from '../../errors/index.ts'

/** The codec of a whole parameter: nothing is in front of it, and what it points to follows it at once. */
export function parameterCodec(node: TypeNode, path: string): Codec {
  switch (node.kind) {
    case 'void':
    case 'stream':
      throw new BusbarError('INTERNAL', `${path}: ${node.kind} is not a parameter`)
    case 'string':
      return stringCodec(path)
    case 'bytes':
      return bytesCodec(path)
    case 'enumeration':
      return enumerationCodec(node.names, path)
    case 'struct':
      return structCodec(
        node.fields.map(({ name, type }) => ({ name, codec: memberCodec(type, `${path}.${name}`) })),
        path,
      )
    case 'array':
      return arrayCodec(memberCodec(node.item, `${path}[]`), path)
    case 'optional':
      if (node.item.kind === 'ref') return optionalReference(node.item.contract, path)
      return nullable(parameterCodec(node.item, path), undefined, undefined)
    case 'ref':
      return referenceCodec(node.contract, path)
    case 'json':
    case 'map':
    case 'variant':
    case 'sequence':
    case 'octets':
    case 'text':
    case 'union':
    case 'pointer':
    case 'box':
    case 'handle':
    case 'out':
    case 'char':
    case 'wchar':
    case 'status':
      throw new BusbarError('INTERNAL', `${path}: ${node.kind} has no marshaller yet`)
    default:
      return scalarCodec(node.kind, path)
  }
}

/** The codec of a member of a struct or an array: there, what has no fixed size is behind a pointer. */
function memberCodec(node: TypeNode, path: string): Codec {
  const codec = parameterCodec(node, path)
  return node.kind === 'string' ? pointed(codec, path) : codec
}
