import { BusbarError } from '../../errors/index.ts'

/** Names that may stand in source text: what contracts allow as names, and nothing that JavaScript gives a meaning. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Largest program, `lines`. Our choice: engines give up on optimising much smaller ones, and closures are as good then. */
const MAX_LINES = 5_000

/**
 * Source text in the making. Whatever comes from a contract gets in as a constant, by its index; only property names are
 * written as text, and those are checked and quoted.
 */
export class Emitter {
  readonly #lines: string[] = []
  readonly constants: unknown[] = []
  readonly #known = new Map<unknown, string>()
  #variables = 0

  /** Adds a line; `LIMIT` when the program is too long to be worth it. */
  line(text: string): void {
    if (this.#lines.length >= MAX_LINES) throw new BusbarError('LIMIT', `a program of more than ${MAX_LINES} lines`)
    this.#lines.push(text)
  }

  /** Keeps a line free for what is known only later, and gives its number. */
  later(): number {
    return this.#lines.push('') - 1
  }

  fill(line: number, text: string): void {
    this.#lines[line] = text
  }

  /** A new variable. */
  variable(): string {
    return `v${this.#variables++}`
  }

  /** The name under which a value of the contract or a function is known to the program. */
  constant(value: unknown): string {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const name = `k${this.constants.push(value) - 1}`
    this.#known.set(value, name)
    return name
  }

  /** A property name, quoted. Contracts refuse other names; this is the last line of defence. */
  property(name: string): string {
    if (!NAME.test(name) || name === '__proto__') throw new BusbarError('INTERNAL', 'a name that cannot be compiled')
    return JSON.stringify(name)
  }

  get text(): string {
    return this.#lines.join('\n')
  }
}

/** How a program moves its cursor. */
export interface CursorText {
  /** Passes over `size` bytes that start at `base`. */
  readonly take: (base: string, size: number) => string
  readonly align: (size: number) => string
  /** Fills one byte of padding, where that is needed. */
  readonly pad?: (at: string) => string
}

/**
 * What is known while a program is written about where the cursor will be: its position modulo `modulus` is `rest`. Fixed
 * sizes behind each other become one run, whose room is taken at once and whose places are numbers in the text.
 */
export class Layout {
  readonly #out: Emitter
  readonly #cursor: CursorText
  #modulus = 1
  #rest = 0
  #run: { readonly line: number; readonly base: string; size: number } | undefined

  constructor(out: Emitter, cursor: CursorText) {
    this.#out = out
    this.#cursor = cursor
  }

  /** Takes `size` bytes aligned to `align` and gives the text of their position. */
  fixed(size: number, align: number): string {
    this.align(align)
    this.#run ??= { line: this.#out.later(), base: this.#out.variable(), size: 0 }
    const at = this.#run.size
    this.#grow(size)
    return at === 0 ? this.#run.base : `${this.#run.base} + ${at}`
  }

  /** Aligns what comes next. */
  align(align: number): void {
    if (align === 1) return
    if (this.#modulus % align !== 0) {
      this.end()
      this.#out.line(this.#cursor.align(align))
      this.#modulus = align
      this.#rest = 0
      return
    }
    const over = this.#rest % align
    if (over === 0) return
    this.#run ??= { line: this.#out.later(), base: this.#out.variable(), size: 0 }
    for (let i = over; i < align; i++) {
      const text = this.#cursor.pad?.(`${this.#run.base} + ${this.#run.size}`)
      if (text !== undefined) this.#out.line(text)
      this.#grow(1)
    }
  }

  #grow(size: number): void {
    if (this.#run !== undefined) this.#run.size += size
    this.#rest = (this.#rest + size) % this.#modulus
  }

  /** Ends the run: what follows moves the cursor by itself. */
  end(): void {
    if (this.#run === undefined) return
    this.#out.fill(this.#run.line, this.#cursor.take(this.#run.base, this.#run.size))
    this.#run = undefined
  }

  /** Ends the run where ways part. What it gives goes back to what is known here, for the next way. */
  fork(): () => void {
    this.end()
    const [modulus, rest] = [this.#modulus, this.#rest]
    return () => {
      this.end()
      this.#modulus = modulus
      this.#rest = rest
    }
  }

  /** Ends the run where nothing is known about what follows, but that it is a multiple of `modulus`. */
  forget(modulus = 1): void {
    this.end()
    this.#modulus = modulus
    this.#rest = 0
  }
}
