import { CODES } from '../src/errors/index.ts'
import { MESSAGES, type MessageKind } from '../src/bus/index.ts'

/** The part of `docs/protocol/control.md` that is made from the table in the code. */
export function renderControlTable(): string {
  const kinds = (Object.keys(MESSAGES) as MessageKind[]).sort((a, b) => MESSAGES[a].number - MESSAGES[b].number)
  const rows = kinds.map((kind) => {
    const { number, direction, since, fields } = MESSAGES[kind]
    const list = Object.entries(fields as Record<string, { wire: string }>).map(
      ([name, { wire }]) => `${name}: ${wire}`,
    )
    return `| ${number} | ${kind} | ${direction} | ${since} | ${list.length === 0 ? 'none' : list.join('; ')} |`
  })
  const codes = Object.entries(CODES).map(([code, { number, meaning }]) => `| ${number} | ${code} | ${meaning} |`)
  return [
    '| number | message | direction | since | fields, in order |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '## Codes',
    '',
    'Every refusal, close and failure carries one of these. Numbers are append-only.',
    '',
    '| number | code | meaning |',
    '| --- | --- | --- |',
    ...codes,
    '',
  ].join('\n')
}
