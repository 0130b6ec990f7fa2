import { readFile } from 'node:fs/promises'
import { BusbarError } from '../errors/index.ts'
import { signatureText } from '../idl/index.ts'
import { parsePipeName } from '../pipe/index.ts'
import type { CallOptions, Contract, Procedure, TypeNode } from '../rpc/index.ts'
import { usingBus } from './bus-of.ts'
import { objectOf, proceduresOf, stepsOf } from './call-chain.ts'
import { type Command, SOCKET_OPTION, type Terminal, LOOK_AT_BUS } from './command.ts'
import { completeMethods, completeTargets } from './complete-targets.ts'
import { exampleFields } from './example-values.ts'
import { fieldsFromJson, toJson } from './json-values.ts'
import { methodText } from './method-text.ts'
import { namedContract, serviceContracts } from './service-contracts.ts'
import { shellQuoted } from './shell.ts'
import { Wait, waiting } from './waiting.ts'

/** So many words make a chain of some dozen calls (our choice: a command line that a person can read). */
const MAX_WORDS = 32

type AnyProxy = Record<string, (args: unknown, options: unknown) => unknown> & AsyncDisposable

export const call: Command = {
  name: 'call',
  words: 'PARTITION/CONTRACT METHOD [ARGUMENTS] [METHOD [ARGUMENTS] ...]',
  summary:
    'call a method of a component, and methods of the object that it gives; arguments are a JSON object, @FILE, or - for standard input',
  options: {
    ...SOCKET_OPTION,
    contract: {
      type: 'string',
      value: 'FILE',
      help: 'module that exports the contract, or its description; default: what the service says of itself',
    },
    deadline: { type: 'string', value: 'MS', help: 'give up after so many milliseconds; default 10000' },
    json: { type: 'boolean', help: 'print errors as JSON too (results are JSON always)' },
  },
  examples: [
    'busbar call storage/busbar.FileStore list \'{"path": "/"}\'',
    'busbar call web/hello.Greeter greet \'{"name": "Ada"}\' --contract ./greeter.js',
    'busbar call storage/busbar.FileStore open \'{"path": "/a"}\' read \'{"offset": 0, "length": 8}\'',
    'busbar ls storage/busbar.FileStore    # what can be called there',
  ],
  look: LOOK_AT_BUS,
  arity: [2, MAX_WORDS],
  complete: (given, signal) => {
    if (given.words.length === 0) return completeTargets(given, 'components')
    return completeMethods(given, signal)
  },
  async run(given, terminal) {
    const [target = '', ...words] = given.words
    const steps = stepsOf(words)
    const { service } = parsePipeName(target)
    const limit = given.options['deadline'] ?? 10_000
    const deadline = Number(limit)
    if (!(deadline > 0)) {
      throw new BusbarError('INVALID_ARGUMENT', `--deadline is a number of milliseconds above 0, found "${limit}"`, {
        stage: 'arguments',
        hints: ['leave it out for 10000'],
      })
    }
    const values: unknown[] = []
    for (const { text } of steps) values.push(await readArguments(text, terminal))
    const { signal } = terminal
    const file = given.options['contract']
    await usingBus(given, terminal, async (bus) => {
      const asking = serviceContracts(bus, target, {
        deadline,
        signal,
        file: typeof file === 'string' ? file : undefined,
      })
      const { contracts, objects } = await waiting(terminal, target, asking)
      try {
        const contract = namedContract(contracts, service)
        const procedures = proceduresOf(
          contract,
          steps.map(({ name }) => name),
          target,
        )
        const calls = procedures.map((procedure, at) => ({
          procedure,
          args: readFields(procedure, values[at], target),
        }))
        const activating = objects.activate(contract, { deadline, signal })
        await using proxy = (await waiting(terminal, target, activating)) as unknown as AnyProxy
        await follow(proxy, calls, { target, options: { deadline, signal }, terminal })
      } finally {
        objects.close()
      }
    })
    return 0
  },
}

/** The arguments; one that does not fit is told together with what the method takes. */
function readFields(procedure: Procedure, value: unknown, target: string): Record<string, unknown> {
  try {
    return fieldsFromJson(procedure.args, value, '')
  } catch (thrown) {
    const { code, message, stage, hints } = BusbarError.from(thrown)
    const example = JSON.stringify(exampleFields(procedure.args))
    throw new BusbarError(code, message, {
      stage: stage ?? 'arguments',
      hints: [
        ...hints,
        `it takes ${signatureText(procedure)}`,
        `busbar call ${target} ${procedure.name} ${shellQuoted(example)}`,
      ],
    })
  }
}

interface Call {
  readonly procedure: Procedure
  readonly args: Record<string, unknown>
}

interface Following {
  readonly target: string
  readonly options: CallOptions
  readonly terminal: Terminal
}

/** Makes the first of these calls, and the others on the object that it gives, which is released when they are over. */
async function follow(on: AnyProxy, [call, ...others]: readonly Call[], how: Following): Promise<void> {
  if (call === undefined) return
  const { name, result: node } = call.procedure
  const { target, terminal } = how
  const what = `${target} ${name}`
  const result = on[name]?.(call.args, how.options)
  const contract = objectOf(node)
  if (contract === undefined) return print(node, result, what, terminal)
  await using object = (await waiting(terminal, what, result as Promise<unknown>)) as AnyProxy | undefined
  if (others.length === 0) showObject(contract, object, terminal)
  else if (object !== undefined) await follow(object, others, how)
  else throw new BusbarError('NO_SUCH_OBJECT', `${what} gave nothing to call "${others[0]?.procedure.name}" on`)
}

/** An object cannot be printed, but called: its contract on standard output, how to call it on standard error. */
function showObject(contract: Contract, object: AnyProxy | undefined, terminal: Terminal): void {
  if (object === undefined) return terminal.out('null')
  terminal.out(JSON.stringify({ object: contract.name }))
  const methods = contract.procedures.map((procedure) => methodText(procedure)).join('\n  ')
  terminal.note(`it is released now; to call it, write its method and arguments behind those:\n  ${methods}`)
}

/** One line of JSON for a value; one for each item of a stream, as it comes. */
async function print(node: TypeNode, result: unknown, what: string, terminal: Terminal): Promise<void> {
  if (node.kind === 'stream') {
    using wait = new Wait(terminal, `the next item of ${what}`)
    for await (const item of result as AsyncIterable<unknown>) {
      terminal.out(toJson(node.item, item))
      wait.heard()
    }
    return
  }
  terminal.out(toJson(node, await waiting(terminal, what, result as Promise<unknown>)))
}

async function readArguments(text: string, terminal: Terminal): Promise<unknown> {
  const source = await readSource(text, terminal)
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

async function readSource(text: string, terminal: Terminal): Promise<string> {
  if (text === '-') return waiting(terminal, 'the arguments on standard input', readInput())
  if (!text.startsWith('@')) return text
  const file = text.slice(1)
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new BusbarError('INVALID_ARGUMENT', `the arguments cannot be read from "${file}"`, {
      stage: 'arguments',
      cause,
      hints: ['behind @ stands the name of a file that holds a JSON object'],
    })
  }
}

async function readInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk as string
  return text
}
