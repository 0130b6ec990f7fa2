import { BusbarError, escapePeerText } from '../errors/index.ts'
import type { Command } from './command.ts'

/** How deep causes are followed when an error is told. */
const MAX_CAUSES = 4

/** One thing that went wrong, and where. One line, safe to print. */
interface Cause {
  readonly stage: string
  readonly message: string
}

/** What an error is told with: what was done, and where to look for more. */
export interface FailureContext {
  /** `busbar call storage/files.Store list`. */
  readonly doing: string
  /** The stage of what says of itself at no stage that it went wrong. */
  readonly stage: string
  readonly look: string
}

/**
 * The one shape of an error: what failed and its number, each cause with its stage, what to do, and where to look. Texts may
 * come from a partition, so all of them are escaped.
 */
export function renderFailure(thrown: unknown, { doing, stage, look }: FailureContext): string {
  const error = asBusbarError(thrown)
  const causes = causesOf(error, stage).map((cause) => `${escapePeerText(cause.stage)}: ${cause.message}`)
  const lines = [...causes, ...error.hints.map((hint) => escapePeerText(hint)), look]
  const header = `error: ${escapePeerText(doing)} (${error.id} ${error.code})`
  return [header, ...new Set(lines.map((line) => `  → ${line}`))].join('\n')
}

/** The same as data, for `--json`. */
export function failureRecord(thrown: unknown, stage: string): Record<string, unknown> {
  const error = asBusbarError(thrown)
  const { id, code, remote, places } = error
  const message = escapeLines(error.message).join('\n')
  return {
    schemaVersion: 1,
    error: {
      id,
      code,
      message,
      stage: escapePeerText(error.stage ?? stage),
      causes: causesOf(error, stage).filter((cause) => !message.includes(cause.message)),
      hints: error.hints.map((hint) => escapePeerText(hint)),
      ...(remote === undefined ? {} : { remote: escapeRemote(remote) }),
      ...(places.length === 0 ? {} : { places }),
    },
  }
}

/** As `BusbarError.from`, but what the system refused is no bug in Busbar. */
function asBusbarError(thrown: unknown): BusbarError {
  const refused = thrown instanceof Error && 'syscall' in thrown
  return BusbarError.from(thrown, refused ? 'UNAVAILABLE' : 'INTERNAL')
}

/** Where to look when a command failed with this error. */
export function whereToLook(thrown: unknown, { name, look }: Pick<Command, 'name' | 'look'>): string {
  const error = asBusbarError(thrown)
  switch (error.code) {
    case 'INVALID_ARGUMENT':
    case 'CONFIG':
    case 'POLICY':
      return `see \`busbar ${name} --help\``
    default:
  }
  if (error.stage === 'attach') return 'look where `busbar up` runs: it prints where its bus is, and what becomes of it'
  return typeof look === 'string' ? look : look(error)
}

/** What went wrong, from the outside in; what only repeats what stands above it is left out, whatever its stage. */
function causesOf(error: BusbarError, outermost: string): Cause[] {
  const causes: Cause[] = []
  const add = (stage: string, message: string): void => {
    if (message !== '' && !causes.some((above) => above.message.includes(message))) causes.push({ stage, message })
  }
  let stage = outermost
  let cause: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    stage = stageOf(cause) ?? stage
    for (const line of escapeLines(cause.message)) add(stage, line)
    if (cause instanceof BusbarError && cause.remote !== undefined) {
      const { name, code, message } = escapeRemote(cause.remote)
      add('component', `threw ${name}${code === undefined ? '' : ` ${code}`}: ${message}`)
    }
    cause = cause.cause
  }
  return causes
}

function stageOf(cause: Error): string | undefined {
  if (cause instanceof BusbarError) return cause.stage
  return 'syscall' in cause ? 'system' : cause.name
}

function escapeLines(text: string): string[] {
  return text.split('\n').map((line) => escapePeerText(line))
}

function escapeRemote({ name, code, message }: NonNullable<BusbarError['remote']>): NonNullable<BusbarError['remote']> {
  const escaped = code === undefined ? undefined : escapePeerText(code)
  return { name: escapePeerText(name), code: escaped, message: escapePeerText(message) }
}
