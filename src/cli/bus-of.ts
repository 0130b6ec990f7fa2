import { attach, type Bus } from '../agent/index.ts'
import type { Given, Terminal } from './command.ts'
import { waiting } from './waiting.ts'

/** Attaches to the bus that the options name, saying so when it takes long. */
export function busOf({ options }: Given, terminal: Terminal): Promise<Bus> {
  const socket = options['socket']
  return waiting(terminal, 'the bus', attach(typeof socket === 'string' ? { socket } : {}))
}
