import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './children.ts'
import type { StackName } from './stacks/index.ts'

/** Small payload, `bytes`. */
export const SMALL = 100
/** Both sides make so many calls before anything is measured, whichever stack they speak: one at a time, then many. */
const WARM_SERIAL = 5_000
const WARM_PARALLEL = 15_000

/** Two processes and a stack between them. */
export interface Pair {
  readonly stack: StackName
  readonly client: Child
  readonly server: Child
}

export interface Load {
  readonly count?: number
  readonly ms: number
  readonly size?: number
  readonly inFlight?: number
}

/** Starts a pair of processes for each stack and warms them up equally; they live as long as `run` does. */
export async function withPairs<T>(stacks: readonly StackName[], run: (pairs: Pair[]) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const pairs: Pair[] = []
  try {
    for (const stack of stacks) {
      const [client, server] = await Promise.all([startChild('socket'), startChild('socket')])
      const pair = { stack, client, server }
      pairs.push(pair)
      const path = join(directory, stack)
      await server.ask({ do: 'serve', stack, path })
      await client.ask({ do: 'connect', stack, path })
      await ask(pair, 'serial', { count: WARM_SERIAL, ms: Number.MAX_VALUE })
      await ask(pair, 'parallel', { count: WARM_PARALLEL, ms: Number.MAX_VALUE, inFlight: 64 })
    }
    return await run(pairs)
  } finally {
    await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
    await rm(directory, { recursive: true, force: true })
  }
}

/** Runs a load; unless said otherwise as many small calls as the time allows. */
export function ask(pair: Pair, what: string, load: Load): Promise<unknown> {
  return pair.client.ask({ do: what, count: Number.MAX_SAFE_INTEGER, size: SMALL, inFlight: 1, ...load })
}
