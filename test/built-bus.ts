/** What tests of the built program have in common: a folder with a user's files, and `busbar up` in it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package. */
export const ROOT: string = fileURLToPath(new URL('..', import.meta.url))

/** The built program, for Node. */
export const PROGRAM: string = join(ROOT, 'dist/cli/main.js')

/** Makes a folder where the package is installed as `npm install busbar` leaves it, with files of a test; `name` is part of its path, which it returns. */
export async function installed(name: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `busbar-${name}-`))
  await mkdir(join(directory, 'node_modules'))
  await symlink(ROOT, join(directory, 'node_modules/busbar'))
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text)
  return directory
}

/** A folder where the package is installed, with files of a test, one of them `busbar.yaml`; and a bus, while it is up. */
export class BuiltBus {
  readonly directory: string
  /** Where programs of this host attach while the bus is up. */
  readonly socket: string
  /** What the bus that is up, or was last, has printed. */
  out = ''
  err = ''
  #process: ChildProcess | undefined
  #waiting: (() => void)[] = []

  private constructor(directory: string) {
    this.directory = directory
    this.socket = join(directory, 'bus.sock')
  }

  /** Writes the files; `name` is part of the folder's name. */
  static async make(name: string, files: Readonly<Record<string, string>>): Promise<BuiltBus> {
    return new BuiltBus(await installed(name, files))
  }

  /** Starts the bus; what it prints is JSON. */
  up(...options: string[]): void {
    this.upWith({}, ...options)
  }

  /** The same with variables in its environment. */
  upWith(variables: Readonly<Record<string, string>>, ...options: string[]): void {
    this.out = ''
    this.err = ''
    const args = [PROGRAM, 'up', '--socket', this.socket, '--json', ...options]
    // Logs go with the folder.
    const env = { ...process.env, XDG_RUNTIME_DIR: this.directory, ...variables }
    const bus = spawn(process.execPath, args, { cwd: this.directory, env })
    this.#process = bus
    bus.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
      this.#tell()
    })
    bus.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
      this.#tell()
    })
    bus.once('close', () => this.#tell())
  }

  /** Settles when the bus has printed something that matches; rejects when it ended before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.out) ?? pattern.exec(this.err)
      if (found !== null) return found
      if (this.#process === undefined || hasEnded(this.#process)) {
        throw new Error(`the bus ended without ${String(pattern)}: ${this.out}${this.err}`)
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Ends the bus as Ctrl-C does, and gives its exit status. */
  async down(): Promise<number | null> {
    const bus = this.#process
    if (bus === undefined) return null
    bus.kill('SIGINT')
    if (!hasEnded(bus)) await once(bus, 'close')
    return bus.exitCode
  }

  /** Ends the bus and removes the folder. */
  async remove(): Promise<void> {
    await this.down()
    await rm(this.directory, { recursive: true, force: true })
  }

  #tell(): void {
    for (const each of this.#waiting.splice(0)) each()
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
