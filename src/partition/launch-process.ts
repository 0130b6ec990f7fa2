import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { BusbarError } from '../errors/index.ts'
import { LineSplitter } from './lines.ts'
import { PARTITION_NAME, type RunningPartition } from './partition.ts'
import { signalGroup } from './process-group.ts'
import { supervise } from './supervise.ts'

export interface LaunchProcessOptions {
  readonly name: string
  /** Program, or a `.js`, `.mjs`, `.cjs` or `.ts` script, which Node runs. */
  readonly command: string
  readonly args?: readonly string[]
  /** Options for Node when `command` is a script. */
  readonly nodeOptions?: readonly string[]
  /** Added to an environment that holds only `PATH`, `HOME`, `TMPDIR` and what the bus needs. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** File that both outputs are appended to. */
  readonly logPath?: string
  /** Gets both outputs line by line when there is no `logPath`. The text is the program's: escape before printing. */
  readonly onLine?: (line: string, from: 'stdout' | 'stderr') => void
}

/** A program of this machine in the place of a virtual machine: for trying things out, without isolation. */
export interface ProcessPartition extends RunningPartition {
  readonly kind: 'process'
  /** The host's end of the socket pair whose other end is descriptor 3 (`BUSBAR_FD`) of the program. */
  readonly socket: Socket
  readonly logPath: string | undefined
}

/** Descriptor of the bus in the program, told in `BUSBAR_FD`. */
const BUS_FD = 3
const SCRIPT = /\.(?:[cm]?js|[cm]?ts)$/
const INHERITED = ['PATH', 'HOME', 'TMPDIR'] as const

/**
 * Starts a program as a partition; settles when it runs. The caller owns the result. The program and all its children end with
 * this process, however that ends.
 *
 * @throws BusbarError `INVALID_ARGUMENT` for a name that cannot be, `LAUNCH_FAILED` when the program cannot be started.
 */
export async function launchProcess(options: LaunchProcessOptions): Promise<ProcessPartition> {
  if (!PARTITION_NAME.test(options.name)) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `"${options.name}" is no partition name: a-z, 0-9 and "-", at most 63 of them.`,
    )
  }
  const child = await start(options)
  const pid = child.pid as number
  // Node makes a socket pair of an extra 'pipe'; its types do not say so.
  const socket = child.stdio[BUS_FD] as unknown as Socket
  // Half-close is the business of the link above: the end of one direction must not end the other.
  socket.allowHalfOpen = true
  const outputs = readOutputs(child, options.onLine)
  const supervised = supervise({
    child,
    askToStop: () => signalGroup(pid, 'SIGTERM'),
    cleanUp: () => outputs,
  })
  const { name, command, logPath } = options
  return {
    name,
    kind: 'process',
    pid,
    socket,
    logPath,
    exited: supervised.exited,
    stop: supervised.stop,
    kill: supervised.kill,
    inspect: () => ({ name, kind: 'process', pid, command, logPath, exit: supervised.exit() }),
    [Symbol.asyncDispose]: async () => {
      await supervised.stop()
      socket.destroy()
    },
  }
}

async function start(options: LaunchProcessOptions): Promise<ChildProcess> {
  const isScript = SCRIPT.test(options.command)
  const command = isScript ? process.execPath : options.command
  const args = [...(isScript ? [...(options.nodeOptions ?? []), options.command] : []), ...(options.args ?? [])]
  const log = options.logPath === undefined ? undefined : openLog(options.logPath)
  try {
    const output = log ?? (options.onLine === undefined ? 'ignore' : 'pipe')
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: environment(options),
      // Leads its own group: it can be ended with all its children, and Ctrl-C reaches it only through us.
      detached: true,
      stdio: ['ignore', output, output, 'pipe'],
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return child
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const why =
      code === 'ENOENT' ? 'there is no such program (or no such working directory)' : (code ?? 'unknown reason')
    throw new BusbarError('LAUNCH_FAILED', `${command} could not be started: ${why}.`, { stage: 'launch', cause })
  } finally {
    if (log !== undefined) closeSync(log)
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600)
  } catch (cause) {
    throw new BusbarError('LAUNCH_FAILED', `The log ${path} cannot be opened.`, { stage: 'launch', cause })
  }
}

function environment(options: LaunchProcessOptions): Record<string, string> {
  const env: Record<string, string> = {}
  for (const key of INHERITED) {
    const value = process.env[key]
    if (value !== undefined) env[key] = value
  }
  return { ...env, ...options.env, BUSBAR_FD: `${BUS_FD}`, BUSBAR_PARTITION: options.name }
}

/** Settles when both outputs ended; the whole group is dead by then, so they do end. */
async function readOutputs(child: ChildProcess, onLine: LaunchProcessOptions['onLine']): Promise<void> {
  if (onLine === undefined) return
  const read = (stream: Readable | null, from: 'stdout' | 'stderr'): Promise<void> => {
    if (stream === null) return Promise.resolve()
    const lines = new LineSplitter((line) => onLine(line, from))
    stream.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    return new Promise((resolve) => {
      stream.once('close', () => {
        lines.end()
        resolve()
      })
    })
  }
  await Promise.all([read(child.stdout, 'stdout'), read(child.stderr, 'stderr')])
}
