/** Longer lines are cut into pieces of this many UTF-16 units, so that a program cannot fill our memory (our choice). */
const MAX_LINE = 64 * 1024

/** Cuts text that arrives in pieces into lines. Belongs to one stream. */
export class LineSplitter {
  #rest = ''
  readonly #onLine: (line: string) => void

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      const last = this.#cut(line)
      this.#onLine(last.endsWith('\r') ? last.slice(0, -1) : last)
    }
    this.#rest = this.#cut(rest)
  }

  /** Hands out whole pieces of what is too long, and returns the rest. */
  #cut(line: string): string {
    let at = 0
    for (; line.length - at > MAX_LINE; at += MAX_LINE) this.#onLine(line.slice(at, at + MAX_LINE))
    return at === 0 ? line : line.slice(at)
  }

  /** The last line may lack its end. */
  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest)
    this.#rest = ''
  }
}
