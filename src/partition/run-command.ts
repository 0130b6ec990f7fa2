import { spawn } from 'node:child_process'
import { BusbarError, type ErrorCode } from '../errors/index.ts'

export interface RunCommandOptions {
  readonly cwd?: string
  readonly signal?: AbortSignal | undefined
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** The code of the error when it fails. Default `IMAGE_FAILED`. */
  readonly code?: ErrorCode
  /** The stage named in the error. */
  readonly stage?: string
}

/** How much of a failing command's last words goes into the error, in characters (our choice). */
const MAX_LAST_WORDS = 600

/**
 * Runs a program to its end and gives its standard output as text.
 *
 * @throws BusbarError with the given code when it cannot start or exits with anything but 0; `CANCELLED` when aborted;
 * `UNAVAILABLE` when the program is not installed.
 */
export function runCommand(command: string, args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
  const context = options.stage === undefined ? {} : { stage: options.stage }
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      signal: options.signal,
      // Output is parsed, so it must not be translated.
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let lastWords = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (lastWords = (lastWords + text).slice(-MAX_LAST_WORDS)))
    child.on('error', (cause: NodeJS.ErrnoException) => {
      // After an abort the program still runs for a moment; `close` tells when its files are at rest.
      if (cause.name === 'AbortError') return
      if (cause.code === 'ENOENT')
        reject(new BusbarError('UNAVAILABLE', `${command} is not installed.`, { ...context, cause }))
      else
        reject(
          new BusbarError(options.code ?? 'IMAGE_FAILED', `${command} could not be started.`, { ...context, cause }),
        )
    })
    child.on('close', (code, signal) => {
      if (options.signal?.aborted) {
        reject(new BusbarError('CANCELLED', `${command} was cancelled.`, { ...context, cause: options.signal.reason }))
        return
      }
      if (code === 0) resolve(output)
      const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`
      const said = lastWords.trim() === '' ? '' : `: ${lastWords.trim()}`
      reject(new BusbarError(options.code ?? 'IMAGE_FAILED', `${command} ${args.join(' ')} ${how}${said}`, context))
    })
  })
}
