import { attach, type Bus } from '../agent/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Given, Terminal } from './command.ts'
import { untilStopped, waiting } from './waiting.ts'

/** A bus while a command uses it. */
export interface BusInUse extends AsyncDisposable {
  readonly bus: Bus
}

/**
 * Attaches to the bus that the options name, saying so when it takes long. Ctrl-C ends that at once, and later the leaving, whether the bus answers or not.
 * What goes wrong has the stage `attach`.
 */
export async function busOf({ options }: Given, terminal: Terminal): Promise<BusInUse> {
  const socket = options['socket']
  const { signal } = terminal
  const attaching = attach(typeof socket === 'string' ? { socket, signal } : { signal })
  const bus = await waiting(terminal, 'the bus', attaching).catch((thrown: unknown) => {
    const { code, message, stage, hints } = BusbarError.from(thrown)
    throw new BusbarError(code, message, {
      stage: 'attach',
      cause: stage === 'attach' ? undefined : thrown,
      hints: [...hints, ...(code === 'NOT_READY' || code === 'DEADLINE' ? HINTS : [])],
    })
  })
  return { bus, [Symbol.asyncDispose]: () => untilStopped(signal, bus.close()).catch(() => {}) }
}

/** Does something with the bus that the options name, then leaves it. After Ctrl-C nothing is waited for any more: not an answer, and not the orderly end of anything. */
export async function usingBus<T>(given: Given, terminal: Terminal, use: (bus: Bus) => Promise<T>): Promise<T> {
  await using attached = await busOf(given, terminal)
  return await untilStopped(terminal.signal, use(attached.bus))
}

const HINTS = ['start a bus with `busbar up`, or name the socket of the one that runs with --socket']
