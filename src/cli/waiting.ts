import { BusbarError } from '../errors/index.ts'
import type { Terminal } from './command.ts'

/** Nobody waits in the dark for longer, `ms` (`docs/architecture.md`). */
const PATIENCE = 1000
/** How often it is said again where no line can be overwritten, `ms` (our choice, as in `scripts/set-up.mjs`). */
const SAY_AGAIN = 15_000

/** The time that a wait is measured with. */
export interface Clock {
  /** Now, `ms`. */
  now(): number
  /** Calls `run` once, in so many `ms`. Returns how to take it back. */
  after(delay: number, run: () => void): () => void
}

/** Keeps the process alive: whoever waits for something must not leave before it comes. */
const CLOCK: Clock = {
  now: () => performance.now(),
  after: (delay, run) => {
    const timer = setTimeout(run, delay)
    return () => clearTimeout(timer)
  },
}

/** Something that a person waits for. After one second of silence it says what for and how long already, and goes on saying so until disposed of. */
export class Wait implements Disposable {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #what: () => string
  readonly #start: number
  #heard: number
  #said = false
  #detail = ''
  #cancel: () => void

  /** `what` is asked each time that it is said. */
  constructor(terminal: Terminal, what: string | (() => string), clock: Clock = CLOCK) {
    this.#terminal = terminal
    this.#clock = clock
    this.#what = typeof what === 'string' ? () => what : what
    this.#start = clock.now()
    this.#heard = this.#start
    this.#cancel = clock.after(PATIENCE, this.#tick)
  }

  /** A part of it came, and was shown: the silence begins anew. */
  heard(): void {
    this.#heard = this.#clock.now()
    if (!this.#said) return
    this.#quiet()
    this.#cancel()
    this.#cancel = this.#clock.after(PATIENCE, this.#tick)
  }

  /** How far it is: shown at once on a terminal, and from then on with what is said. */
  progress(detail: string): void {
    this.#detail = detail
    if (!this.#terminal.isTerminal) return
    this.#said = true
    this.#terminal.status(this.#line())
  }

  [Symbol.dispose](): void {
    this.#cancel()
    this.#quiet()
  }

  #quiet(): void {
    if (this.#said) this.#terminal.status('')
    this.#said = false
  }

  readonly #tick = (): void => {
    const silent = this.#clock.now() - this.#heard
    if (silent < PATIENCE) {
      this.#cancel = this.#clock.after(PATIENCE - silent, this.#tick)
      return
    }
    this.#said = true
    const { isTerminal } = this.#terminal
    if (isTerminal) this.#terminal.status(this.#line())
    else this.#terminal.note(this.#line())
    this.#cancel = this.#clock.after(isTerminal ? PATIENCE : SAY_AGAIN, this.#tick)
  }

  #line(): string {
    const seconds = Math.round((this.#clock.now() - this.#start) / 1000)
    return `waiting for ${this.#what()}${this.#detail === '' ? '' : `: ${this.#detail}`} (${seconds} s)`
  }
}

/**
 * Waits for something, as `Wait` tells a person. Rejects with `CANCELLED` at once when the person presses Ctrl-C; what became of the work is then
 * nobody's business any more, so whatever it holds must be given back elsewhere.
 */
export async function waiting<T>(terminal: Terminal, what: string, work: Promise<T>, clock?: Clock): Promise<T> {
  using _wait = new Wait(terminal, what, clock)
  return await untilStopped(terminal.signal, work)
}

/** The result of the work, or `CANCELLED` when `signal` aborts before. */
export async function untilStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stop: () => void = () => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new BusbarError('CANCELLED', 'stopped by Ctrl-C or SIGTERM', { stage: 'wait' }))
  })
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
