import { pipeline } from 'node:stream/promises'
import type { Bus } from '../agent/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { PipeDuplex } from '../pipe/index.ts'
import { usingBus } from './bus-of.ts'
import { type Command, type Given, LOOK_AT_BUS, SOCKET_OPTION, STATUS, type Terminal } from './command.ts'
import { completeTargets } from './complete-targets.ts'
import { failureRecord } from './failure.ts'
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
    json: {
      type: 'boolean',
      help: 'print how it ended and the bytes in each direction, as the last line of standard error',
    },
  },
  examples: ['busbar pipe storage/echo < file', 'echo hello | busbar pipe storage/log'],
  look: LOOK_AT_BUS,
  json: 'note',
  arity: [1, 1],
  complete: (given) => (given.words.length === 0 ? completeTargets(given, 'all') : Promise.resolve([])),
  async run(given, terminal) {
    const [name = ''] = given.words
    const mode = given.options['mode'] ?? 'byte'
    if (mode !== 'byte' && mode !== 'message') {
      throw new BusbarError('INVALID_ARGUMENT', `--mode is byte or message, found "${mode}"`, {
        stage: 'arguments',
        hints: ['leave it out for byte'],
      })
    }
    let opened: PipeDuplex | undefined
    /** Standard output belongs to the pipe, so the record goes to standard error. */
    const record = (outcome: object): void => {
      const { bytesWritten: sent = 0, bytesRead: received = 0 } = opened?.handle ?? {}
      terminal.note(JSON.stringify({ schemaVersion: 1, ...outcome, pipe: name, mode, sent, received }))
    }
    try {
      await usingBus(given, terminal, async (bus) => {
        opened = await open(bus, name, mode, given, terminal)
        await join(opened, terminal.signal)
      })
    } catch (thrown) {
      if (given.options['json'] !== true) throw thrown
      record(
        terminal.signal.aborted ? { outcome: 'interrupted' } : { outcome: 'failed', ...failureRecord(thrown, 'pipe') },
      )
      return terminal.signal.aborted ? STATUS.interrupted : STATUS.failed
    }
    if (given.options['json'] === true) record({ outcome: 'ended' })
    return STATUS.done
  },
}

function open(
  bus: Bus,
  name: string,
  mode: 'byte' | 'message',
  { options }: Given,
  terminal: Terminal,
): Promise<PipeDuplex> {
  const { signal } = terminal
  return waiting(terminal, name, bus.open(name, { mode, wait: options['wait'] === true, signal }))
}

async function join(opened: PipeDuplex, signal: AbortSignal): Promise<void> {
  await Promise.all([
    pipeline(process.stdin, opened, { signal }),
    pipeline(opened, process.stdout, { signal, end: false }),
  ])
}
