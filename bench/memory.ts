import { withPeers } from './bulk.ts'
import type { Row } from './rows.ts'

const MIB = 1024 ** 2
const BYTES = 1024 * MIB

/** `slow-reader-rss`: how much the resident memory of broker and writer grows while 1 GiB goes to a slow reader. */
export async function slowReader(): Promise<Row[]> {
  return withPeers(async ({ client, server }) => {
    await server.ask({ do: 'offer-slow', delay: 20 })
    // Whatever a first transfer allocates once and for all is not growth.
    await client.ask({ do: 'upload', bytes: 64 * MIB, chunk: 65_536, to: 'slow' })
    const writerBefore = (await client.ask({ do: 'rss' })) as number
    const brokerBefore = resident()
    const highest = { broker: brokerBefore }
    const watch = setInterval(() => {
      highest.broker = Math.max(highest.broker, process.memoryUsage.rss())
    }, 50)
    const writerHighest = (await client.ask({
      do: 'upload-watched',
      bytes: BYTES,
      chunk: 65_536,
      to: 'slow',
    })) as number
    clearInterval(watch)
    return [
      growth('slow-reader-rss-broker', brokerBefore, highest.broker),
      growth('slow-reader-rss-writer', writerBefore, writerHighest),
    ]
  })
}

function resident(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

function growth(name: string, before: number, highest: number): Row {
  const mib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10
  const value = mib(highest - before)
  return { case: name, value, unit: 'MiB', baseline: mib(before), ratio: value / mib(before), target: '<= 32 MiB' }
}
