#!/usr/bin/env node
import { type Command, type Given, STATUS } from './command.ts'
import { asksForJson, parseCommandLine, unknownCommand } from './command-line.ts'
import { type FailureContext, failureRecord, renderFailure, whereToLook } from './failure.ts'
import { commandHelp, overview } from './help.ts'
import { processTerminal } from './terminal.ts'

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
    return name === undefined ? STATUS.usage : STATUS.done
  }
  if (name === '--version') {
    const { version } = await import('./version.ts')
    process.stdout.write(`${version()}\n`)
    return STATUS.done
  }
  if (name === '__complete') {
    const { complete } = await import('./complete.ts')
    process.stdout.write((await complete(rest, COMMANDS)).map((line) => `${line}\n`).join(''))
    return STATUS.done
  }
  // An own property: `busbar constructor` is not a command.
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) return misused(await unknownCommand(name, Object.keys(COMMANDS)), rest)
  const command = await load()
  let given: Given
  try {
    given = await parseCommandLine(command, rest)
  } catch (thrown) {
    return misused(thrown, rest, command)
  }
  if (given.options['help'] === true) {
    process.stdout.write(commandHelp(command))
    return STATUS.done
  }
  return run(command, given)
}

async function run(command: Command, given: Given): Promise<number> {
  const terminal = processTerminal()
  try {
    return await command.run(given, terminal)
  } catch (thrown) {
    if (terminal.signal.aborted) return STATUS.interrupted
    const doing = `busbar ${[command.name, ...given.words].join(' ')}`
    tell(
      thrown,
      { doing, stage: command.name, look: whereToLook(thrown, command) },
      given.options['json'] === true,
      command.json,
    )
    return STATUS.failed
  }
}

function misused(thrown: unknown, args: readonly string[], command?: Command): number {
  const doing = command === undefined ? 'busbar' : `busbar ${command.name}`
  // What JSON is for a command that does not have it is nobody's guess.
  const json = asksForJson(args) && (command === undefined || Object.hasOwn(command.options, 'json'))
  tell(thrown, { doing, stage: 'command line', look: `see \`${doing} --help\`` }, json, command?.json)
  return STATUS.usage
}

/** Tells a person on standard error, and a program that asked for it too: on standard output, unless that is not ours. */
function tell(thrown: unknown, context: FailureContext, json: boolean, to: Command['json'] = 'out'): void {
  const record = JSON.stringify(failureRecord(thrown, context.stage))
  if (json && to === 'note') return void process.stderr.write(`${record}\n`)
  if (json) process.stdout.write(`${record}\n`)
  process.stderr.write(`${renderFailure(thrown, context)}\n`)
}

main(process.argv.slice(2)).then(
  // Written output may still be on its way to a pipe: leave when it is, but do not wait for sockets.
  (status) => process.stdout.write('', () => process.exit(status)),
  (thrown: unknown) => {
    tell(thrown, { doing: 'busbar', stage: 'busbar', look: 'run `busbar --help`' }, false)
    process.exit(STATUS.failed)
  },
)
