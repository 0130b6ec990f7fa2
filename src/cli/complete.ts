import { parseArgs } from 'node:util'
import { escapePeerText } from '../errors/index.ts'
import type { Candidate, Command, Given } from './command.ts'
import { shellQuoted } from './shell.ts'

/** Longest that proposals may take, `ms`. Our choice: as long as an opening; a person who pressed a key can press Ctrl-C. */
const PATIENCE = 10_000

/** Finds a command by its name. */
export type Commands = Readonly<Record<string, () => Promise<Command>>>

/**
 * What `busbar __complete SHELL WORD...` prints for the completion scripts: a line for each thing that the last word may
 * become, and behind a tab what it is about. Nothing where the shell should propose files, and whenever something fails: a
 * person who presses a key is not to be told of errors.
 */
export async function complete(words: readonly string[], commands: Commands): Promise<string[]> {
  const [shell = '', ...line] = words
  const current = line.at(-1) ?? ''
  const found = await candidates(line.slice(0, -1), current, commands).catch(() => [])
  // Fish quotes what it inserts by itself; the others insert what they are given.
  const quote = (value: string): string => (shell === 'fish' ? value : shellQuoted(value))
  return found
    .map(({ value, about }) => ({ value: quote(value), about }))
    .filter(({ value }) => value.startsWith(current))
    .map(({ value, about }) => (about === undefined ? value : `${value}\t${escapePeerText(about)}`))
}

async function candidates(
  before: readonly string[],
  current: string,
  commands: Commands,
): Promise<readonly Candidate[]> {
  const [name, ...rest] = before
  if (name === undefined) {
    const all = await Promise.all(Object.values(commands).map((load) => load()))
    return all.map(({ name: value, summary: about }) => ({ value, about }))
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) return []
  const command = await load()
  const options = Object.entries(command.options)
  const last = rest.at(-1) ?? ''
  const wanted = options.find(([option, { type }]) => last === `--${option}` && type === 'string')
  if (wanted !== undefined) return valuesOf(wanted[1].value)
  if (current.startsWith('-')) {
    return [
      ...options.map(([option, { help }]) => ({ value: `--${option}`, about: help })),
      { value: '--help', about: 'how to use it' },
    ]
  }
  const signal = AbortSignal.timeout(PATIENCE)
  return (await command.complete?.(parse(command, rest), signal)) ?? []
}

/** The values of an option that lists them, as in `byte|message`. */
function valuesOf(text = ''): Candidate[] {
  return /^[a-z]+(\|[a-z]+)+$/.test(text) ? text.split('|').map((value) => ({ value })) : []
}

/** What stands there so far, however wrong it is. */
function parse(command: Command, args: string[]): Given {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, strict: false, options: command.options })
  return { words: positionals, options: values as Given['options'] }
}
