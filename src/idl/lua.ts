import type { Contract, WireMember } from '../rpc/index.ts'
import { type Interface, interfacesOf, type NumberedOperation, plainType } from './interfaces.ts'
import { LUA_DECODER } from './lua-decoder.ts'
import { LUA_DISSECTOR } from './lua-dissector.ts'
import { luaString, toLua } from './lua-value.ts'
import { WELL_KNOWN } from './well-known.ts'

/**
 * A dissector for Wireshark 4.0 and later: names and decodes the calls of these contracts, of everything that they refer
 * to, and of the interfaces that every association has. Wireshark's own DCE/RPC finds the PDUs, this reads the rest.
 */
export function printLua(contracts: readonly Contract[]): string {
  const interfaces = interfacesOf([...WELL_KNOWN, ...contracts])
  const title = contracts.map(({ name }) => name).join(', ')
  return [
    `-- Names and decodes calls of ${title.replace(/[^\x20-\x7e]/g, '?')} in Wireshark: tshark -X lua_script:FILE`,
    '-- Printed by `busbar idl --wireshark`.',
    '',
    'local interfaces = {}',
    ...interfaces.map((one) => `interfaces[${luaString(one.uuid)}] = ${toLua(tableOf(one))}`),
    '',
    LUA_DECODER.trim(),
    '',
    LUA_DISSECTOR.trim(),
    '',
  ].join('\n')
}

function tableOf({ name, operations }: Interface): unknown {
  return { name, operations: operations.map(operationTable) }
}

function operationTable(operation: NumberedOperation): unknown {
  const { name, request, reply, returns, objectOpnum, plainOpnum } = operation
  const members = (list: readonly WireMember[]): unknown =>
    list.map((member) => ({ name: member.name, type: plainType(member.type) }))
  return {
    name,
    objectOpnum,
    plainOpnum,
    request: members(request),
    reply: members(reply),
    returns: returns === undefined ? undefined : plainType(returns),
  }
}
