import { baseCodec, enumCodec, guidCodec, handleCodec } from './scalar.ts'
import type { Codec } from './codec.ts'
import { countedCodec, jsonCodec, mapCodec } from './counted.ts'
import { type Counts, countsOf, type Items, shapedCodec } from './counts.ts'
import { itemsOf, octets } from './items.ts'
import { boxed, nullable, pointed } from './pointer.ts'
import { optionalReference, referenceCodec } from './reference.ts'
import { structCodec } from './struct.ts'
import { characters } from './text.ts'
import { type Arm, unionCodec } from './union.ts'
import type { WireArray, WireStruct, WireType, WireUnion } from './wire.ts'

/** The codec of a whole parameter: what it points to follows it at once, and a reference pointer is its target. */
export function parameterCodec(type: WireType, path: string): Codec {
  return type.kind === 'pointer' && type.pointer === 'ref' ? codecOf(type.to, path) : codecOf(type, path)
}

/** The codec of a type inside another one, or behind a pointer. */
function codecOf(type: WireType, path: string): Codec {
  switch (type.kind) {
    case 'base':
      return baseCodec(type, path)
    case 'enum':
      return enumCodec(type, path)
    case 'guid':
      return guidCodec(path)
    case 'handle':
      return handleCodec(path)
    case 'array':
      return shapedCodec(type.shape, itemsIn(type, path), path)
    case 'struct':
      return structOf(type, path)
    case 'union':
      return unionOf(type, path)
    case 'pointer': {
      const target = codecOf(type.to, path)
      if (type.as === 'box') return boxed(target, path)
      return type.pointer === 'ref' ? pointed(target, path) : nullable(target, undefined, undefined)
    }
    case 'interface':
      return type.optional ? optionalReference(type.contract, path) : referenceCodec(type.contract, path)
  }
}

function itemsIn({ item, as, string, shape }: WireArray, path: string): Items {
  if (as === 'bytes') return octets(path)
  if (as === 'array') return itemsOf(codecOf(item, `${path}[]`), path)
  const size = item.kind === 'base' && item.size === 1 ? 1 : 2
  return characters(size, string ? 'terminated' : shape.form === 'fixed' ? 'padded' : 'exact', path)
}

function structOf(type: WireStruct, path: string): Codec {
  const { members, align, as } = type
  if (as === 'object') {
    const built = members.map((member) => ({
      name: member.name,
      codec: codecOf(member.type, `${path}.${member.name}`),
    }))
    return structCodec(built, align, path)
  }
  const counted = countedCodec(itemsIn(countedArray(type), path), path)
  return as === 'items' ? counted : as === 'map' ? mapCodec(counted, path) : jsonCodec(counted, path)
}

/** The array behind `struct { count; items }`. */
export function countedArray({ members }: WireStruct): WireArray {
  const items = members[1]?.type
  return (items?.kind === 'pointer' ? items.to : undefined) as WireArray
}

function unionOf(type: WireUnion, path: string): Codec {
  const armOf = (label: number | string, of: WireType | null): Arm => ({
    label,
    codec: of === null ? undefined : codecOf(of, `${path}.${label}`),
  })
  const arms = type.arms.map((arm) => armOf(arm.label, arm.type))
  const fallback = type.fallback === undefined ? undefined : armOf('default', type.fallback)
  return unionCodec(type, codecOf(type.tag, path), arms, fallback, path)
}

/** The items of an array and what its counts must say. */
export function shapedOf(type: WireArray, path: string): { readonly items: Items; readonly counts: Counts } {
  const items = itemsIn(type, path)
  return { items, counts: countsOf(type.shape, items, path) }
}

/** Codecs that were built, each once. */
export class Codecs {
  readonly #built = new Map<WireType, Map<string, Codec>>()

  /** As `codecOf`. */
  of(type: WireType, path: string): Codec {
    let paths = this.#built.get(type)
    if (paths === undefined) this.#built.set(type, (paths = new Map<string, Codec>()))
    let codec = paths.get(path)
    if (codec === undefined) paths.set(path, (codec = codecOf(type, path)))
    return codec
  }
}
