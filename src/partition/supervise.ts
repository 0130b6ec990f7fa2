import type { ChildProcess } from 'node:child_process'
import { DEFAULT_GRACE_MS, type PartitionExit, type StopOptions } from './partition.ts'
import { signalGroup } from './process-group.ts'
import { guardGroup } from './watchdog.ts'

export interface SuperviseOptions {
  /** A child that leads its own process group (`detached`), just spawned; from here on it is ours. */
  readonly child: ChildProcess
  /** Directory to remove should this process die. */
  readonly directory?: string
  /** Asks for an orderly end. */
  readonly askToStop: () => void
  /** What is known of the reason when it ended. */
  readonly reason?: () => string | undefined
  /** Cleans up after the end; its failure is not the partition's. */
  readonly cleanUp: () => Promise<void>
}

/** The life of one child process group, from its start to its end. */
export interface Supervised {
  readonly exited: Promise<PartitionExit>
  /** How it ended, once it did. */
  readonly exit: () => PartitionExit | undefined
  readonly stop: (options?: StopOptions) => Promise<PartitionExit>
  readonly kill: (signal?: NodeJS.Signals) => void
}

/** Watches over a child: nothing of its group outlives it, and it does not outlive this process. */
export function supervise(options: SuperviseOptions): Supervised {
  const { child } = options
  const leader = child.pid
  const watchdog = leader === undefined ? undefined : guardGroup(leader, options.directory)
  let exit: PartitionExit | undefined
  let gone = false

  const kill = (signal: NodeJS.Signals = 'SIGKILL'): void => {
    // After the end the number may be somebody else's.
    if (!gone && leader !== undefined) signalGroup(leader, signal)
  }

  const exited = new Promise<PartitionExit>((resolve) => {
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (gone) return
      // Children that the program left behind are in its group still, so the number is not free yet.
      kill('SIGKILL')
      gone = true
      watchdog?.release()
      // What it said last may still be on its way when the exit is told.
      const finish = (): void => {
        exit = { code, signal, reason: options.reason?.() }
        resolve(exit)
      }
      options.cleanUp().then(finish, finish)
    }
    child.once('exit', ended)
    child.once('error', () => {
      // It never ran, or could not be signalled; only the first is an end.
      if (leader === undefined) ended(null, null)
    })
  })

  const stop = async ({ graceMs = DEFAULT_GRACE_MS }: StopOptions = {}): Promise<PartitionExit> => {
    if (gone) return exited
    options.askToStop()
    const timer = setTimeout(() => kill('SIGKILL'), graceMs)
    try {
      return await exited
    } finally {
      clearTimeout(timer)
    }
  }

  return { exited, exit: () => exit, stop, kill }
}
