import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { unwatchSignal, watchSignal } from '../link/index.ts'
import type { Launched } from './launched.ts'

/** That a partition has attached since it was started, and its epoch. */
export class Attachment {
  readonly promise: Promise<number>
  /** Each time that it attaches; the first counts. */
  resolve: (epoch: number) => void = () => {}

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve
    })
  }
}

/** Settles with the epoch when a partition has attached; rejects when it stops or its link is lost before, or `signal` aborts. */
export function untilAttached(
  name: string,
  launched: Launched | undefined,
  attached: Promise<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  let stop = (): void => {}
  const waiting = new Promise<number>((resolve, reject) => {
    const refuse = (code: ErrorCode, why: string, hints: string[] = []): void => {
      reject(new BusbarError(code, why, { stage: 'boot', hints }))
    }
    void attached.then(resolve)
    void launched?.running?.exited.then(({ code, signal: by, reason }) => {
      const how = reason ?? (by === null ? `status ${code}` : `signal ${by}`)
      const hints = launched.log === undefined ? [] : [`its console is in ${launched.log}`]
      refuse('PARTITION_EXITED', `"${name}" stopped before it attached: ${how}`, hints)
    })
    void launched?.lost?.then(reject)
    // Behind the answer of one that has attached.
    if (launched === undefined) void Promise.resolve().then(() => refuse('NOT_READY', `"${name}" does not run`))
    stop = () => refuse('CANCELLED', `stopped waiting for "${name}"`)
  })
  if (signal?.aborted === true) stop()
  if (signal === undefined) return waiting
  watchSignal(signal, stop)
  return waiting.finally(() => unwatchSignal(signal, stop))
}
