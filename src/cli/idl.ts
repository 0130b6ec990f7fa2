import { BusbarError } from '../errors/index.ts'
import { describe, diffContracts, isCompatible, printLua, printMidl, renderDiff } from '../idl/index.ts'
import { type Contract, describeContracts } from '../rpc/index.ts'
import { type Command, type Given, JSON_OPTION, type Terminal } from './command.ts'
import { loadContracts } from './contracts.ts'

export const idl: Command = {
  name: 'idl',
  words: 'FILE | diff OLD NEW',
  summary: 'print the contracts of a module as MIDL or as a dissector for Wireshark; or say what a change breaks',
  options: {
    wireshark: { type: 'boolean', help: 'print Lua that names and decodes their calls: tshark -X lua_script:OUTPUT' },
    plain: {
      type: 'boolean',
      help: 'as plain RPC, without objects; default for contracts of existing plain interfaces',
    },
    description: { type: 'boolean', help: 'print them as data that `busbar idl diff` and `busbar call` read' },
    json: { ...JSON_OPTION['json'], type: 'boolean', help: 'print what is on the wire, or the differences, as JSON' },
  },
  examples: [
    'busbar idl files.ts > files.idl',
    'busbar idl files.js --wireshark > files.lua',
    'busbar idl files.js --description > files.released.json',
    'busbar idl diff files.released.json files.js    # status 1: not compatible, or the version must grow',
  ],
  look: 'the module must export what contract() gave',
  arity: [1, 3],
  async run(given, terminal) {
    const { words } = given
    if (words[0] === 'diff' && words.length === 3) return diff(given, terminal)
    if (words.length > 1) {
      throw new BusbarError('INVALID_ARGUMENT', `found ${words.length} words, expected FILE, or diff OLD NEW`, {
        stage: 'arguments',
        hints: ['see `busbar idl --help`'],
      })
    }
    return print(given, terminal)
  },
}

/** The ways to print a module's contracts; one at a time. */
const FORMS = ['wireshark', 'description', 'json'] as const

async function print({ words, options }: Given, terminal: Terminal): Promise<number> {
  const [file = ''] = words
  const forms = FORMS.filter((form) => options[form] === true)
  if (forms.length > 1) {
    const names = forms.map((form) => `--${form}`).join(' and ')
    throw new BusbarError('INVALID_ARGUMENT', `${names} print different things`, {
      stage: 'arguments',
      hints: ['name one of them'],
    })
  }
  const contracts = await contractsIn(file)
  const form = options['plain'] === true ? 'plain' : undefined
  switch (forms[0]) {
    case 'json':
      terminal.out(JSON.stringify(describe(contracts, form), undefined, 2))
      return 0
    case 'description':
      terminal.out(JSON.stringify(describeContracts(contracts), undefined, 2))
      return 0
    case 'wireshark':
      terminal.out(printLua(contracts).trimEnd())
      return 0
    default:
      terminal.out(printMidl(contracts, form).trimEnd())
      return 0
  }
}

/** Status 0: old callers go on and every version is as it must be. Status 1: not so. */
async function diff({ words, options }: Given, terminal: Terminal): Promise<number> {
  const [, before = '', after = ''] = words
  const contracts = diffContracts(await contractsIn(before), await contractsIn(after))
  const compatible = isCompatible(contracts)
  if (options['json'] === true) terminal.out(JSON.stringify({ schemaVersion: 1, compatible, contracts }, undefined, 2))
  else for (const line of renderDiff(contracts)) terminal.out(line)
  return compatible ? 0 : 1
}

async function contractsIn(file: string): Promise<Contract[]> {
  const contracts = await loadContracts(file)
  if (contracts.length > 0) return contracts
  throw new BusbarError('NO_SUCH_INTERFACE', `${file} exports no contract`, { stage: 'contract' })
}
