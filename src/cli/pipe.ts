import { pipeline } from 'node:stream/promises'
import { BusbarError } from '../errors/index.ts'
import { busOf } from './bus-of.ts'
import { type Command, SOCKET_OPTION, LOOK_AT_BUS } from './command.ts'
import { completeTargets } from './complete-targets.ts'
import { waiting } from './waiting.ts'

export const pipe: Command = {
  name: 'pipe',
  words: 'PARTITION/SERVICE',
  summary: 'open a pipe: standard input goes in, what comes out goes to standard output',
  options: {
    ...SOCKET_OPTION,
    mode: {
      type: 'string',
      value: 'byte|message',
      help: 'pipe mode; in message mode each piece of input is a message',
    },
    wait: { type: 'boolean', help: 'wait until the service is offered' },
  },
  examples: ['busbar pipe storage/echo < file', 'echo hello | busbar pipe storage/log'],
  look: LOOK_AT_BUS,
  arity: [1, 1],
  complete: (given) => (given.words.length === 0 ? completeTargets(given, 'all') : Promise.resolve([])),
  async run(given, terminal) {
    const [name = ''] = given.words
    const mode = given.options['mode'] ?? 'byte'
    if (mode !== 'byte' && mode !== 'message') {
      throw new BusbarError('INVALID_ARGUMENT', `--mode is byte or message, found "${mode}"`, {
        hints: ['leave it out for byte'],
      })
    }
    await using attached = await busOf(given, terminal)
    const { bus } = attached
    const wait = given.options['wait'] === true
    const opened = await waiting(terminal, name, bus.open(name, { mode, wait, signal: terminal.signal }))
    const options = { signal: terminal.signal }
    await Promise.all([
      pipeline(process.stdin, opened, options),
      pipeline(opened, process.stdout, { ...options, end: false }),
    ])
    return 0
  },
}
