import type { ParseArgsConfig } from 'node:util'
import type { BusbarError } from '../errors/index.ts'

/** Exit statuses. `usage`: the command line is wrong. */
export const STATUS = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** What a command was given: words in order, options by name. */
export interface Given {
  readonly words: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
}

/** Where a command writes. Data goes to `out`, everything else to `note`. */
export interface Terminal {
  /** A line of data on standard output. */
  out(line: string): void
  /** A line for the person, on standard error. */
  note(line: string): void
  /** Overwrites the last such line on a terminal; writes nothing elsewhere. */
  status(line: string): void
  readonly isTerminal: boolean
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

/** One option, as `util.parseArgs` takes it, with its line of help. */
export type OptionTable = Readonly<
  Record<string, NonNullable<ParseArgsConfig['options']>[string] & { readonly help: string; readonly value?: string }>
>

export interface Command {
  readonly name: string
  /** Words after the name, as in `PARTITION/SERVICE`. */
  readonly words: string
  readonly summary: string
  readonly options: OptionTable
  readonly examples: readonly string[]
  /** More lines of its help. */
  readonly more?: readonly string[]
  /** Where to look when it failed. */
  readonly look: string | ((error: BusbarError) => string)
  /** Where `--json` prints errors: standard output, unless that belongs to data of somebody else. */
  readonly json?: 'out' | 'note'
  /** Fewest and most words it takes. */
  readonly arity: readonly [least: number, most: number]
  /** What may stand behind these words; none where that is a file. May reject: then nothing is proposed. */
  readonly complete?: (given: Given, signal: AbortSignal) => Promise<readonly Candidate[]>
  /** Gives the exit status. */
  run(given: Given, terminal: Terminal): Promise<number>
}

/** What may stand in a place of a command line, with a line about it. */
export interface Candidate {
  readonly value: string
  readonly about?: string
}

/** Options that several commands share. */
export const JSON_OPTION: OptionTable = {
  json: { type: 'boolean', help: 'print JSON instead of a table' },
}

export const SOCKET_OPTION: OptionTable = {
  socket: { type: 'string', value: 'PATH', help: "the bus's socket; default: BUSBAR_SOCKET, then this user's bus" },
}

/** Where to look when something on a bus was not as expected. */
export const LOOK_AT_BUS = 'run `busbar ls` to see what is on the bus'
