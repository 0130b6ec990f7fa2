import { type ChildProcess, spawn } from 'node:child_process'
import type { GuestConfig, GuestProgram } from '../partition/index.ts'

/** First wait before a program that ended is started again, `ms`; doubles up to the last (our choice). */
const FIRST_WAIT = 250
const LAST_WAIT = 8000

export interface GuestProgramsOptions {
  /** Gets a line when a program ends. */
  log(line: string): void
  /** Whether programs may go over to rings in memory that this machine shares with others. */
  readonly rings: boolean
}

/** The guest's programs: started as the unprivileged user, started again when they end, their output on the console. */
export class GuestPrograms {
  readonly #config: GuestConfig
  readonly #options: GuestProgramsOptions
  readonly #children = new Set<ChildProcess>()
  #stopping = false

  constructor(config: GuestConfig, options: GuestProgramsOptions) {
    this.#config = config
    this.#options = options
  }

  start(): void {
    for (const program of this.#config.programs) this.#run(program, FIRST_WAIT)
  }

  /** Asks every program to end; nothing is started again. */
  stop(): void {
    this.#stopping = true
    for (const child of this.#children) child.kill('SIGTERM')
  }

  #run(program: GuestProgram, wait: number): void {
    if (this.#stopping) return
    const { user, socket, partition } = this.#config
    const child = spawn(program.command, [...(program.args ?? [])], {
      cwd: program.cwd ?? user.home,
      uid: user.uid,
      gid: user.gid,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        PATH: '/bin:/usr/bin',
        HOME: user.home,
        USER: user.name,
        BUSBAR_RINGS: this.#options.rings ? 'on' : 'off',
        ...program.env,
        BUSBAR_SOCKET: socket,
        BUSBAR_PARTITION: partition,
      },
    })
    this.#children.add(child)
    const ended = (how: string): void => {
      if (!this.#children.delete(child) || this.#stopping) return
      this.#options.log(`${program.name} ended (${how}), starts again in ${wait} ms`)
      setTimeout(() => this.#run(program, Math.min(wait * 2, LAST_WAIT)), wait)
    }
    child.once('error', (error) => ended(error.message))
    child.once('exit', (code, signal) => ended(signal ?? `status ${code}`))
  }
}
