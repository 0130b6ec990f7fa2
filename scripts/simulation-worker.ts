/** A process that runs the seeds it is told to: `scripts/simulation-campaign.ts` starts it and ends it. */
import { runSeeds } from '../src/testing/index.ts'

export interface Batch {
  readonly first: number
  readonly count: number
}

// Nobody reads where an error was made: a failing seed is run again by itself. This saves a tenth of the time.
Error.stackTraceLimit = 0

process.on('message', ({ first, count }: Batch) => {
  runSeeds(first, count).then(
    (result) => process.send?.(result),
    (thrown: unknown) => {
      console.error(thrown)
      process.exit(1)
    },
  )
})
// Whoever started this is gone.
process.on('disconnect', () => process.exit(0))
