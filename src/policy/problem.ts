import { BusbarError, type ErrorCode, escapePeerText } from '../errors/index.ts'
import { CONFIG_LIMITS } from './limits.ts'

/** A place in a file, both counted from 1, in UTF-16 units. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong in a configuration file. */
export interface Problem extends Position {
  readonly file: string
  /** What was found, and what is expected there. One line, safe to print. */
  readonly message: string
  /** What to do, when it can be told. */
  readonly hint: string | undefined
  /** `POLICY` inside the rules, `CONFIG` elsewhere. */
  readonly code: Extract<ErrorCode, 'CONFIG' | 'POLICY'>
}

/** Collects everything that is wrong in one file, so that it is mended in one go. */
export class Problems {
  readonly file: string
  readonly #found: Problem[] = []
  #omitted = 0
  #code: Problem['code'] = 'CONFIG'

  constructor(file: string) {
    this.file = escapePeerText(file)
  }

  add(at: Position, message: string, hint?: string): void {
    if (this.#found.length >= CONFIG_LIMITS.problems) {
      this.#omitted += 1
      return
    }
    const { line, column } = at
    this.#found.push({ file: this.file, line, column, message, hint, code: this.#code })
  }

  /** Reads a part of the file in which problems are those of a policy rule. */
  inPolicy<T>(read: () => T): T {
    const before = this.#code
    this.#code = 'POLICY'
    try {
      return read()
    } finally {
      this.#code = before
    }
  }

  /** How many there are, with those that are no longer kept. */
  get count(): number {
    return this.#found.length + this.#omitted
  }

  /** In the order of the file. */
  list(): readonly Problem[] {
    return this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column)
  }

  /** One error that holds them all, one line each. Only call when there are some. */
  toError(): BusbarError {
    const problems = this.list()
    const lines = problems.map(formatProblem)
    if (this.#omitted > 0) lines.push(`${this.file}: and ${this.#omitted} more`)
    const code = problems.every((problem) => problem.code === 'POLICY') ? 'POLICY' : 'CONFIG'
    const hints = [...new Set(problems.flatMap(({ hint }) => (hint === undefined ? [] : [hint])))]
    const places = problems.map(({ file, line, column, message, hint }) => ({ file, line, column, message, hint }))
    return new BusbarError(code, lines.join('\n'), { stage: 'config', hints, places })
  }
}

/** `file:line:column: message`, which editors and terminals turn into a link. */
export function formatProblem({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`
}
