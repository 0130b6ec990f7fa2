/** Many seeds in several processes, for `npm run simulate -- --seeds COUNT` and for the test. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { addResults, type CampaignResult, NO_SEEDS } from '../src/testing/index.ts'

/** Seeds that one process gets at a time (our choice: about a second of work). */
const BATCH = 20

export interface CampaignOptions {
  readonly first: number
  readonly count: number
  /** Processes. */
  readonly jobs: number
  /** No batch begins after so many `ms`. */
  readonly budget?: number | undefined
  progress?(soFar: CampaignResult): void
}

/** Runs the seeds, each twice; stops handing out work at the first failure or when the budget is used up. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { first, count, jobs, budget = Number.POSITIVE_INFINITY, progress = () => {} } = options
  const started = performance.now()
  let next = first
  let result = NO_SEEDS
  const work = async (): Promise<void> => {
    const worker = startWorker()
    try {
      while (next < first + count && result.failures.length === 0 && performance.now() - started < budget) {
        const batch = { first: next, count: Math.min(BATCH, first + count - next) }
        next += batch.count
        const found = await answer(worker, batch)
        result = addResults(result, found)
        progress(result)
      }
    } finally {
      await stop(worker)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return result
}

function startWorker(): ChildProcess {
  const path = fileURLToPath(new URL('./simulation-worker.ts', import.meta.url))
  // Inside a test this would make the worker a part of the test runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return fork(path, [], { execArgv: ['--import', 'tsx'], env })
}

function answer(worker: ChildProcess, batch: { first: number; count: number }): Promise<CampaignResult> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null): void => {
      const last = batch.first + batch.count - 1
      reject(new Error(`the process that ran seeds ${batch.first} to ${last} ended with status ${code}`))
    }
    worker.once('exit', exited)
    worker.once('message', (message) => {
      worker.off('exit', exited)
      resolve(message as CampaignResult)
    })
    worker.send(batch)
  })
}

function stop(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.disconnect()
  })
}
