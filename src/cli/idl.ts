import { BusbarError } from '../errors/index.ts'
import { describe, printLua, printMidl } from '../idl/index.ts'
import { type Command, JSON_OPTION } from './command.ts'
import { loadContracts } from './contracts.ts'

export const idl: Command = {
  name: 'idl',
  words: 'FILE',
  summary: 'print the contracts that a module exports as MIDL, or as a dissector for Wireshark',
  options: {
    wireshark: { type: 'boolean', help: 'print Lua that names and decodes their calls: tshark -X lua_script:OUTPUT' },
    plain: { type: 'boolean', help: 'as plain RPC, without objects; default for contracts of existing plain interfaces' },
    json: { ...JSON_OPTION['json'], type: 'boolean', help: 'print what is on the wire as JSON' },
  },
  examples: ['busbar idl files.ts > files.idl', 'busbar idl files.js --wireshark > files.lua'],
  look: 'the module must export what contract() gave',
  arity: [1, 1],
  async run({ words, options }, terminal) {
    const [file = ''] = words
    if (options['wireshark'] === true && options['json'] === true) {
      throw new BusbarError('INVALID_ARGUMENT', '--wireshark prints Lua and --json prints JSON: name one of them')
    }
    const contracts = await loadContracts(file)
    if (contracts.length === 0) {
      throw new BusbarError('NO_SUCH_INTERFACE', `${file} exports no contract`, { stage: 'contract' })
    }
    const form = options['plain'] === true ? 'plain' : undefined
    if (options['json'] === true) terminal.out(JSON.stringify(describe(contracts, form), undefined, 2))
    else terminal.out((options['wireshark'] === true ? printLua(contracts) : printMidl(contracts, form)).trimEnd())
    return 0
  },
}
