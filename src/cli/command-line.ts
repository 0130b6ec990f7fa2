import { parseArgs } from 'node:util'
import { BusbarError } from '../errors/index.ts'
import type { Command, Given, OptionTable } from './command.ts'

/** Every command has it. */
const HELP: OptionTable[string] = { type: 'boolean', short: 'h', help: 'print this' }

/** What stands behind a command: words and options. Rejects with the stage `command line` for what it does not take. */
export async function parseCommandLine(command: Command, args: readonly string[]): Promise<Given> {
  const options = { ...command.options, help: HELP }
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: false,
    tokens: true,
    options,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const known = name === 'help' ? HELP : Object.hasOwn(command.options, name) ? command.options[name] : undefined
    if (known === undefined) throw await unknownOption(rawName, command)
    if (known.type === 'boolean' && value !== undefined) throw wrong(`${rawName} takes no value, found "${value}"`)
    if (known.type === 'boolean') continue
    const what = known.value ?? 'a value'
    if (value === undefined) throw wrong(`${rawName} needs ${what} behind it`)
    if (inlineValue === false && /^-./.test(value)) {
      throw wrong(`${rawName} needs ${what} behind it, found "${value}"`, [
        `for a value that begins with a dash: ${rawName}=${value}`,
      ])
    }
  }
  const given = { words: positionals, options: values as Given['options'] }
  if (given.options['help'] !== true) checkWords(given.words, command)
  return given
}

/** There is no command of that name. */
export async function unknownCommand(name: string, known: readonly string[]): Promise<BusbarError> {
  const near = await closest(name, known)
  const hints = near === undefined ? [] : [`did you mean "${near}"?`]
  return wrong(`there is no command "${name}"; there are ${known.join(', ')}`, hints)
}

/** Whether JSON was asked for, however wrong the rest is. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

async function unknownOption(rawName: string, { name, options }: Command): Promise<BusbarError> {
  const names = [...Object.keys(options), 'help'].map((option) => `--${option}`)
  const near = await closest(rawName, names)
  const hints = [
    ...(near === undefined ? [] : [`did you mean "${near}"?`]),
    `for a word that begins with a dash, write -- before it`,
  ]
  return wrong(`\`busbar ${name}\` has no option ${rawName}; it has ${names.join(', ')}`, hints)
}

function checkWords(words: readonly string[], { name, words: expected, arity: [least, most] }: Command): void {
  if (words.length >= least && words.length <= most) return
  const found = words.length === 0 ? 'nothing' : `"${words.join(' ')}"`
  throw wrong(`found ${found}, expected: busbar ${name} ${expected}`.trimEnd())
}

/** Loaded when somebody erred: the door of policy brings the YAML parser with it. */
async function closest(name: string, known: readonly string[]): Promise<string | undefined> {
  const { closestName } = await import('../policy/index.ts')
  return closestName(name, known)
}

function wrong(message: string, hints: readonly string[] = []): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', message, { stage: 'command line', hints })
}
