import type { Command } from './command.ts'
import { renderTable } from './table.ts'

/** What `busbar --help` prints. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map(({ name, words, summary }) => [`  busbar ${name} ${words}`, summary])
  return [
    'Busbar: call objects and stream bytes between virtual machines, with no network in between.',
    '',
    ...renderTable(rows),
    '',
    'busbar COMMAND --help tells more. Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.',
    '',
  ].join('\n')
}

/** What `busbar COMMAND --help` prints. */
export function commandHelp({ name, words, summary, options, examples, more = [] }: Command): string {
  const rows = Object.entries(options).map(([option, { value, help, short }]) => [
    `  ${short === undefined ? '' : `-${short}, `}--${option}${value === undefined ? '' : ` ${value}`}`,
    help,
  ])
  return [
    `busbar ${name} ${words}`,
    `  ${summary}`,
    '',
    'Examples:',
    ...examples.map((example) => `  ${example}`),
    '',
    'Options:',
    ...renderTable([...rows, ['  --help', 'print this']]),
    ...more,
    '',
  ].join('\n')
}
