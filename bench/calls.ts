import { withPeers } from './bulk.ts'
import { rawEcho } from './rings.ts'
import { median, percentile, type Row, rowOf } from './rows.ts'

const SIZE = 100
const CALLS = 20_000
const MANY = 300_000
const IN_FLIGHT = 64

/** `call-broker-p50` and `call-broker-64`: 100-byte calls through the broker, against a raw framed echo over one socket. */
export async function callBroker(repetitions: number): Promise<Row[]> {
  const p50: number[] = []
  const rates: number[] = []
  const rawP50: number[] = []
  const rawRates: number[] = []
  for (let i = 0; i < repetitions; i++) {
    const raw = await rawEcho()
    rawP50.push(raw.p50)
    rawRates.push(raw.rate)
    await withPeers(async ({ client, server }) => {
      await server.ask({ do: 'offer-echo' })
      await client.ask({ do: 'activate' })
      await client.ask({ do: 'calls', size: SIZE, count: CALLS })
      const times = (await client.ask({ do: 'calls', size: SIZE, count: CALLS })) as number[]
      p50.push(percentile(times, 0.5) * 1000)
      await client.ask({ do: 'calls-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })
      const ms = (await client.ask({ do: 'calls-many', size: SIZE, count: MANY, inFlight: IN_FLIGHT })) as number
      rates.push(MANY / (ms / 1000))
    })
  }
  return [
    rowOf('call-broker-p50', 'µs', p50, rawP50, '<= 2.5'),
    rowOf('call-broker-64', 'calls/s', rates, rawRates, '>= 0.4'),
  ]
}

/** `call-under-bulk-p50`: small calls while 4 MiB uploads run between the same two partitions on another channel. */
export async function callUnderBulk(repetitions: number): Promise<Row[]> {
  const values: number[] = []
  const baselines: number[] = []
  for (let i = 0; i < repetitions; i++) {
    await withPeers(async ({ client, server }) => {
      await server.ask({ do: 'offer-echo' })
      await server.ask({ do: 'offer-sink' })
      await client.ask({ do: 'activate' })
      await client.ask({ do: 'calls', size: SIZE, count: 2000 })
      baselines.push(percentile((await client.ask({ do: 'calls', size: SIZE, count: 2000 })) as number[], 0.5))
      const load = { do: 'calls-under-bulk', size: SIZE, bytes: 4_194_304, uploads: 100 }
      await client.ask(load)
      values.push(median((await client.ask(load)) as number[]))
    })
  }
  return [rowOf('call-under-bulk-p50', 'ms', values, baselines, '< 1 ms')]
}
