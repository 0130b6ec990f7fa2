import type { Contract, WireMember, WireType } from '../rpc/index.ts'
import { Identifiers, identifier } from './identifiers.ts'
import {
  type CallForm,
  FIRST_OF_OBJECTS,
  type Interface,
  interfacesOf,
  type NumberedOperation,
  opnumOf,
} from './interfaces.ts'
import { ANY_SIZE, type Declaration, MidlTypes, noteOf, render } from './midl-types.ts'

/**
 * Contracts as MIDL, for people and tools of that world: with everything that they refer to, each interface once.
 * `form` overrides how they are called: on objects, or as plain RPC.
 */
export function printMidl(contracts: readonly Contract[], form?: CallForm): string {
  const interfaces = interfacesOf(contracts, form)
  const identifiers = new Identifiers()
  const names = new Map(interfaces.map(({ name, uuid }) => [uuid, identifiers.fresh(name)]))
  const nameOf = (uuid: string): string => names.get(uuid) ?? identifier(uuid)
  const types = new MidlTypes(identifiers, nameOf)
  const lines = ['import "unknwn.idl";', '']
  for (const one of interfaces) if (one.form === 'object') lines.push(`interface ${nameOf(one.uuid)};`)
  for (const one of interfaces) lines.push(...printInterface(one, nameOf(one.uuid), types))
  return `${lines.join('\n').trimEnd()}\n`
}

function printInterface(one: Interface, name: string, types: MidlTypes): string[] {
  const { uuid, major, minor, form } = one
  // Opnums 0 to 2 are IUnknown's, which an object's interface inherits.
  let next = form === 'object' ? FIRST_OF_OBJECTS : 0
  const operations = one.operations.flatMap((operation) => {
    const lines: string[] = []
    for (const opnum = opnumOf(operation, form); next < opnum; next++) {
      lines.push(
        form === 'object' ? `    HRESULT Opnum${next}NotDeclared();` : `    void Opnum${next}NotDeclared(void);`,
      )
    }
    next++
    return [...lines, ...printOperation(operation, name, form, types)]
  })
  const declared = types.takeLines()
  const attributes =
    form === 'object'
      ? [`object, uuid(${uuid}), pointer_default(unique)`]
      : [`uuid(${uuid}), version(${major}.${minor}), pointer_default(unique)`]
  return [
    '',
    // In front of the interface, so that others may use them too.
    ...declared,
    `// ${one.name} ${major}.${minor}`,
    `[${attributes.join(', ')}]`,
    `interface ${name}${form === 'object' ? ' : IUnknown' : ''}`,
    '{',
    ...operations,
    '}',
  ]
}

function printOperation(operation: NumberedOperation, owner: string, form: CallForm, types: MidlTypes): string[] {
  const { name, request, reply, returns } = operation
  const path = `${owner}_${identifier(name)}`
  const out = new Map(reply.map(({ name: parameter, type }) => [parameter, type]))
  const sent = new Set(request.map(({ name: parameter }) => parameter))
  const parameters = request.map((member) => {
    const back = out.has(member.name)
    return printParameter(member, path, back ? ['in', 'out'] : ['in'], types)
  })
  for (const member of reply) if (!sent.has(member.name)) parameters.push(printParameter(member, path, ['out'], types))
  let result = form === 'object' ? 'HRESULT' : 'void'
  if (returns !== undefined) {
    if (form === 'object') parameters.push(printParameter({ name: 'returned', type: returns }, path, ['out'], types))
    else result = types.declare(returns, `${path}_returned`).base
  }
  const list = parameters.map((text, i) => `        ${text.replace('\u0000', i === parameters.length - 1 ? '' : ',')}`)
  const head = `    ${result} ${identifier(name)}(`
  return list.length === 0 ? [`${head}${form === 'plain' ? 'void' : ''});`] : [head, ...list, '    );']
}

/** One parameter; a NUL stands where the comma goes. */
function printParameter(
  { name, type }: WireMember,
  path: string,
  direction: readonly ('in' | 'out')[],
  types: MidlTypes,
): string {
  const declared = parameter(type, direction.includes('out'), `${path}_${identifier(name)}`, types)
  const attributes = [...direction, ...declared.attributes]
  return `${render({ ...declared, attributes }, identifier(name))}\u0000${noteOf(type)}`
}

/**
 * A parameter's pointer of its own is a reference pointer, which is nothing on the wire: what comes back has one, and so
 * have structures, which C does not pass as they are.
 */
function parameter(type: WireType, comesBack: boolean, where: string, types: MidlTypes): Declaration {
  if (type.kind === 'pointer' && type.pointer === 'ref') {
    return parameter(type.to, true, where, types)
  }
  const declared = types.declare(type, where)
  if (type.kind === 'array') {
    if (!type.string || type.shape.form === 'varying') return declared
    // What comes back in memory of the caller's needs a size.
    const sized = comesBack ? [...declared.attributes, `size_is(${ANY_SIZE})`] : declared.attributes
    return { ...declared, attributes: sized, stars: '*', suffix: '' }
  }
  const byValue = type.kind !== 'struct' && type.kind !== 'union'
  if (byValue && !comesBack) return declared
  // The star of `[out]` is the outer one: what the type says of pointers is said of the inner one by default.
  const attributes = declared.attributes.filter((text) => text !== 'unique').map(inner(declared))
  return { ...declared, attributes, stars: `${declared.stars}*` }
}

/** Counts are those of what the outer pointer points to. */
function inner({ stars }: Declaration): (text: string) => string {
  return (text) => (stars === '' ? text : text.replace(/^(size_is|length_is)\(/, '$1(, '))
}
