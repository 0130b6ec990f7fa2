import type { Terminal } from './command.ts'

/** The terminal of this process. The first Ctrl-C aborts `signal`, so that commands clean up; the second ends at once. */
export function processTerminal(): Terminal {
  const stop = new AbortController()
  const interrupt = (): void => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // Whoever reads our output may leave before we are done: `busbar ls | head -1`.
  process.stdout.on('error', () => process.exit(0))
  const isTerminal = process.stderr.isTTY === true && process.env['TERM'] !== 'dumb'
  let status = ''
  const clear = (): void => {
    if (status !== '') process.stderr.write('\r\u001b[K')
    status = ''
  }
  return {
    isTerminal,
    signal: stop.signal,
    out: (line) => {
      clear()
      process.stdout.write(`${line}\n`)
    },
    note: (line) => {
      clear()
      process.stderr.write(`${line}\n`)
    },
    status: (line) => {
      if (!isTerminal) return
      status = line.slice(0, (process.stderr.columns ?? 80) - 1)
      process.stderr.write(`\r\u001b[K${status}`)
    },
  }
}
