import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** One value for Samba to pack, and our bytes for it to unpack and pack again. */
export interface Question {
  readonly class: string
  readonly part: 'in' | 'out' | 'struct'
  readonly big: boolean
  readonly value: unknown
  readonly bytes: string
}

export type Answer = { readonly packed: string; readonly again: string } | { readonly error: string }

/** Debian's Python by its path: another one on the PATH does not see Debian's modules. */
const PYTHON = '/usr/bin/python3'

/** Samba's NDR packer, in one process that lives as long as the test. */
export class Oracle {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: ((line: string) => void)[] = []
  readonly #closed: Promise<unknown>
  #errors = ''
  #over = false

  /** Whether Samba's bindings are installed. */
  static present(): boolean {
    return spawnSync(PYTHON, ['-c', 'import samba.ndr']).status === 0
  }

  constructor() {
    const script = fileURLToPath(new URL('ndr-oracle.py', import.meta.url))
    this.#child = spawn(PYTHON, [script])
    this.#closed = once(this.#child, 'close').then(() => {
      this.#over = true
      for (const settle of this.#waiting.splice(0))
        settle(JSON.stringify({ error: `Samba's packer ended: ${this.#errors}` }))
    })
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString()
    })
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.(line))
  }

  ask(questions: readonly Question[]): Promise<Answer[]> {
    const answers = questions.map(
      () =>
        new Promise<Answer>((resolve) => {
          if (this.#over) resolve({ error: `Samba's packer ended: ${this.#errors}` })
          else this.#waiting.push((line) => resolve(JSON.parse(line) as Answer))
        }),
    )
    this.#child.stdin.write(questions.map((question) => `${JSON.stringify(question)}\n`).join(''))
    return Promise.all(answers)
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    await this.#closed
  }
}
