import { readFile } from 'node:fs/promises'
import { BusbarError } from '../errors/index.ts'
import { parsePipeName } from '../pipe/index.ts'
import type { Contract, TypeNode } from '../rpc/index.ts'
import { File, FileStore, Operator } from '../services/index.ts'
import { busOf } from './bus-of.ts'
import { type Command, SOCKET_OPTION, type Terminal, LOOK_AT_BUS } from './command.ts'
import { loadContracts } from './contracts.ts'
import { fieldsFromJson, toJson } from './json-values.ts'
import { waiting } from './waiting.ts'

type AnyProxy = Record<string, (args: unknown, options: unknown) => unknown> & AsyncDisposable

export const call: Command = {
  name: 'call',
  words: 'PARTITION/CONTRACT METHOD [ARGUMENTS]',
  summary: 'call a method of a component; arguments are a JSON object, @FILE, or - for standard input',
  options: {
    ...SOCKET_OPTION,
    contract: {
      type: 'string',
      value: 'FILE',
      help: 'JavaScript module that exports the contract, unless Busbar has it',
    },
    deadline: { type: 'string', value: 'MS', help: 'give up after so many milliseconds; default 10000' },
    json: { type: 'boolean', help: 'print errors as JSON too (results are JSON always)' },
  },
  examples: [
    'busbar call storage/busbar.FileStore list \'{"path": "/"}\'',
    'busbar call web/hello.Greeter greet \'{"name": "Ada"}\' --contract ./greeter.js',
  ],
  look: LOOK_AT_BUS,
  arity: [2, 3],
  async run(given, terminal) {
    const [target = '', name = '', text = '{}'] = given.words
    const { partition, service } = parsePipeName(target)
    const contract = await findContract(service, given.options['contract'])
    const procedure = contract.procedures.find((known) => known.name === name)
    if (procedure === undefined) {
      const has = contract.procedures.map((known) => known.name).join(', ')
      throw new BusbarError('NOT_IN_CONTRACT', `${service} has no method "${name}"; it has ${has}`, {
        stage: 'arguments',
      })
    }
    const args = fieldsFromJson(procedure.args, await readArguments(text), name)
    const deadline = Number(given.options['deadline'] ?? 10_000)
    if (!(deadline > 0)) throw new BusbarError('INVALID_ARGUMENT', '--deadline is a number of milliseconds above 0')
    const { signal } = terminal
    await using bus = await busOf(given, terminal)
    const activating = bus.activate(contract, { in: partition, deadline, signal })
    await using proxy = (await waiting(terminal, target, activating)) as unknown as AnyProxy
    const result = proxy[name]?.(args, { deadline, signal })
    await print(procedure.result, result, `${target} ${name}`, terminal)
    return 0
  },
}

/** One line of JSON for a value; one for each item of a stream, as it comes. */
async function print(node: TypeNode, result: unknown, what: string, terminal: Terminal): Promise<void> {
  if (node.kind === 'stream') {
    for await (const item of result as AsyncIterable<unknown>) terminal.out(toJson(node.item, item))
    return
  }
  terminal.out(toJson(node, await waiting(terminal, what, result as Promise<unknown>)))
}

async function readArguments(text: string): Promise<unknown> {
  const source = text === '-' ? await readInput() : text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text
  try {
    return JSON.parse(source)
  } catch (cause) {
    throw new BusbarError('INVALID_ARGUMENT', 'the arguments are not JSON', {
      stage: 'arguments',
      cause,
      hints: ['write an object with the arguments by name, for instance \'{"path": "/"}\''],
    })
  }
}

async function readInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk as string
  return text
}

async function findContract(name: string, file: string | boolean | undefined): Promise<Contract> {
  const contracts: readonly Contract[] =
    typeof file === 'string' ? await loadContracts(file) : [File, FileStore, Operator]
  const found = contracts.find((known) => known.name === name)
  if (found !== undefined) return found
  const there = contracts.map((known) => known.name).join(', ')
  throw new BusbarError('NO_SUCH_INTERFACE', `no contract "${name}" here; there are ${there === '' ? 'none' : there}`, {
    stage: 'contract',
    hints: ['name the module that exports it with --contract FILE'],
  })
}
