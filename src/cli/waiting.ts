import type { Terminal } from './command.ts'

/** Nobody waits in the dark for longer, `ms` (`docs/architecture.md`). */
const PATIENCE = 1000

/** Waits for something; after one second it says what for, and on a terminal how long already. */
export async function waiting<T>(terminal: Terminal, what: string, work: Promise<T>): Promise<T> {
  const start = performance.now()
  let said = false
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - start) / 1000)
    if (terminal.isTerminal) terminal.status(`waiting for ${what} (${seconds} s)`)
    else if (!said) terminal.note(`waiting for ${what}`)
    said = true
  }, PATIENCE)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (said) terminal.status('')
  }
}
