#!/usr/bin/env node
import { parseArgs } from 'node:util'
import type { Command, Given } from './command.ts'
import { failureRecord, renderFailure } from './failure.ts'
import { commandHelp, overview } from './help.ts'
import { processTerminal } from './terminal.ts'

/** Exit statuses: 0 done, 1 failed, 2 the command line is wrong, 130 interrupted. */
const FAILED = 1
const USAGE = 2
const INTERRUPTED = 130

/** Loaded when named: `busbar --help` must not read a YAML parser. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.ts')).up,
  ls: async () => (await import('./ls.ts')).ls,
  call: async () => (await import('./call.ts')).call,
  pipe: async () => (await import('./pipe.ts')).pipe,
  capture: async () => (await import('./capture.ts')).capture,
  idl: async () => (await import('./idl.ts')).idl,
  demo: async () => (await import('./demo/demo.ts')).demo,
  image: async () => (await import('./image.ts')).image,
  completion: async () => (await import('./completion.ts')).completion,
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const all = await Promise.all(Object.values(COMMANDS).map((load) => load()))
    process.stdout.write(overview(all))
    return name === undefined ? USAGE : 0
  }
  if (name === '--version') {
    const { version } = await import('./version.ts')
    process.stdout.write(`${version()}\n`)
    return 0
  }
  if (name === '__complete') {
    const { complete } = await import('./complete.ts')
    process.stdout.write((await complete(rest, COMMANDS)).map((line) => `${line}\n`).join(''))
    return 0
  }
  // An own property: `busbar constructor` is not a command.
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) return misused(`there is no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}`)
  const command = await load()
  let given: Given
  try {
    given = parse(command, rest)
  } catch (thrown) {
    return misused((thrown as Error).message, command)
  }
  if (given.options['help'] === true) {
    process.stdout.write(commandHelp(command))
    return 0
  }
  const [least, most] = command.arity
  if (given.words.length < least || given.words.length > most) {
    return misused(`expected: busbar ${command.name} ${command.words}`, command)
  }
  return run(command, given)
}

async function run(command: Command, given: Given): Promise<number> {
  const terminal = processTerminal()
  try {
    return await command.run(given, terminal)
  } catch (thrown) {
    if (terminal.signal.aborted) return INTERRUPTED
    if (given.options['json'] === true) terminal.out(JSON.stringify(failureRecord(thrown)))
    terminal.note(renderFailure(thrown, `busbar ${[command.name, ...given.words].join(' ')}`, command.look))
    return FAILED
  }
}

function parse(command: Command, args: string[]): Given {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ...command.options, help: { type: 'boolean', short: 'h' } },
  })
  return { words: positionals, options: values as Given['options'] }
}

function misused(found: string, command?: Command): number {
  const see = command === undefined ? 'busbar --help' : `busbar ${command.name} --help`
  process.stderr.write(`error: ${found}\n  → see \`${see}\`\n`)
  return USAGE
}

main(process.argv.slice(2)).then(
  // Written output may still be on its way to a pipe: leave when it is, but do not wait for sockets.
  (status) => process.stdout.write('', () => process.exit(status)),
  (thrown: unknown) => {
    process.stderr.write(`${renderFailure(thrown, 'busbar', 'run `busbar --help`')}\n`)
    process.exit(FAILED)
  },
)
