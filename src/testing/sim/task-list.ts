import type { SimNode } from './node.ts'
import type { Report } from './report.ts'

/** Everything that has begun and must come to an end; what a dead process had begun does not count. */
export class TaskList {
  readonly #report: Report
  readonly #tasks = new Set<{ readonly label: string; readonly node: SimNode }>()

  constructor(report: Report) {
    this.#report = report
  }

  /** Waits for `work`. It must not fail: whoever expects a failure catches it. */
  add(label: string, node: SimNode, work: Promise<void>): void {
    const task = { label, node }
    this.#tasks.add(task)
    work.then(
      () => this.#tasks.delete(task),
      (thrown: unknown) => {
        this.#tasks.delete(task)
        const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
        this.#report.fail('escape', `${label} failed: ${text}`)
      },
    )
  }

  /** What is not over. */
  pending(): string[] {
    return [...this.#tasks].filter(({ node }) => node.alive).map(({ label }) => label)
  }

  get idle(): boolean {
    for (const { node } of this.#tasks) if (node.alive) return false
    return true
  }
}
