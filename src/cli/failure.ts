import { BusbarError, escapePeerText } from '../errors/index.ts'

/** How deep causes are followed when an error is printed. */
const MAX_CAUSES = 4

/**
 * The one shape of an error: what failed and its number, each cause with its stage, what to do or where to look. Texts may
 * come from a partition, so all of them are escaped.
 */
export function renderFailure(thrown: unknown, doing: string, look: string): string {
  const error = BusbarError.from(thrown)
  const lines = [`error: ${doing} (${error.id} ${error.code})`]
  let cause: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    const stage = cause instanceof BusbarError && cause.stage !== undefined ? `${cause.stage}: ` : ''
    for (const line of cause.message.split('\n')) lines.push(`  → ${escapePeerText(stage + line)}`)
    if (cause instanceof BusbarError && cause.remote !== undefined) {
      const { name, code, message } = cause.remote
      lines.push(
        `  → the component threw ${escapePeerText(`${name}${code === undefined ? '' : ` ${code}`}: ${message}`)}`,
      )
    }
    cause = cause.cause
  }
  for (const hint of error.hints) lines.push(`  → ${escapePeerText(hint)}`)
  if (error.hints.length === 0) lines.push(`  → ${look}`)
  // A cause often repeats what the error above it said.
  return lines.filter((line, i) => lines.indexOf(line) === i).join('\n')
}

/** The same as data, for `--json`. */
export function failureRecord(thrown: unknown): Record<string, unknown> {
  const { id, code, message, stage, hints, remote } = BusbarError.from(thrown)
  return { schemaVersion: 1, error: { id, code, message: escapePeerText(message), stage, hints, remote } }
}
