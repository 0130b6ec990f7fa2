/** A program that a test starts, reads while it runs, and ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface RunOptions {
  readonly cwd: string
  /** Added to the environment of the tests, without what would lead to a bus of theirs. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

export class RunningProgram {
  /** What it has printed so far. */
  out = ''
  err = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #waiting: (() => void)[] = []

  /** Starts a script under Node. */
  constructor(script: string, args: readonly string[], { cwd, env = {}, input }: RunOptions) {
    const { BUSBAR_SOCKET: _socket, BUSBAR_FD: _fd, ...rest } = process.env
    const child = spawn(process.execPath, [script, ...args], { cwd, env: { ...rest, ...env } })
    this.#child = child
    this.#closed = once(child, 'close')
    child.stdin.on('error', () => {})
    if (input !== undefined) child.stdin.end(input)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
      this.#tell()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
      this.#tell()
    })
    child.once('close', () => this.#tell())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Settles when it has printed something that matches; rejects when it ended before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.out) ?? pattern.exec(this.err)
      if (found !== null) return found
      if (this.#ended) throw new Error(`it ended without ${String(pattern)}: ${this.out}${this.err}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for its end; gives its exit status. */
  async ended(): Promise<number | null> {
    await this.#closed
    return this.#child.exitCode
  }

  /** Ends it as Ctrl-C does. */
  async interrupted(): Promise<number | null> {
    this.signal('SIGINT')
    return this.ended()
  }

  /** It is gone when the test is over, whatever became of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.signal('SIGKILL')
    await this.#closed
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  #tell(): void {
    for (const each of this.#waiting.splice(0)) each()
  }
}
