import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './children.ts'
import { median, type Row, rowOf } from './rows.ts'
import type { Adapter, ObjectStackName } from './stacks/objects.ts'
import type { PeerName } from './stacks/index.ts'

const SMALL = 100
const OBJECTS = 1_000
const CHAIN = 5
const STREAM = 128 * 1024 * 1024
/** Each figure of each repetition is measured for so long, `milliseconds`. */
const TIME = 500
/** So many turns make one repetition of a stream: from one to the next a shared machine becomes a third faster or slower. */
const ROUNDS = 4
/** Before anything is measured, `milliseconds`: compiling is no part of it. */
const WARMING = 1_500

/** `component-call-p50`: a 100-byte call on an object beside the plain call of the same size over the same kind of link. */
export async function componentCall(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  const run = async (client: Child, ms: number): Promise<number> =>
    median((await client.ask({ do: 'calls', ms, size: SMALL })) as number[]) * 1000
  const results = await takeTurns(repetitions, ['plain', 'objects', ...capnwebOf(peers)], run)
  return [
    rowOf('component-call-p50', 'µs', results('objects'), results('plain'), '<= 1.25'),
    ...capnwebOf(peers).map((peer) => rowOf(`${peer}-component-call-p50`, 'µs', results(peer), results('plain'), '')),
  ]
}

interface Rates {
  readonly taken: number
  readonly released: number
}

/** `refs-per-second`: 1,000 objects returned by one call, until their proxies are there; and with their release. */
export async function references(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  const rates = new Map<string, Rates[]>()
  const run = async (client: Child, ms: number, stack: ObjectStackName): Promise<number> => {
    const found = (await client.ask({ do: 'many', ms, count: OBJECTS })) as Rates
    const all = rates.get(stack) ?? []
    rates.set(stack, [...all, found])
    return found.taken
  }
  const results = await takeTurns(repetitions, ['objects', ...capnwebOf(peers)], run)
  // The first was not measured.
  const released = (stack: ObjectStackName): number[] => (rates.get(stack) ?? []).slice(1).map((each) => each.released)
  const baseline = capnwebOf(peers).length > 0 ? 'capnweb' : 'objects'
  return [
    rowOf('refs-per-second', 'refs/s', results('objects'), results(baseline), '>= 50,000 refs/s'),
    rowOf('refs-per-second-released', 'refs/s', released('objects'), released(baseline), ''),
  ]
}

interface Chain {
  readonly one: number
  readonly all: number
}

/** `pipelined-5`: five calls, each on the reference that the one before it gives, beside one such call in the same run. */
export async function pipelined(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  const chains = new Map<string, Chain[]>()
  const run = async (client: Child, ms: number, stack: ObjectStackName): Promise<number> => {
    const found = (await client.ask({ do: 'chain', ms, calls: CHAIN })) as Chain
    chains.set(stack, [...(chains.get(stack) ?? []), found])
    return found.all
  }
  const stacks: ObjectStackName[] = ['objects', ...capnwebOf(peers)]
  await takeTurns(repetitions, stacks, run)
  return stacks.map((stack) => {
    // The first was not measured.
    const measured = (chains.get(stack) ?? []).slice(1)
    const µs = (of: keyof Chain): number[] => measured.map((each) => each[of] * 1000)
    const ours = stack === 'objects'
    return rowOf(ours ? 'pipelined-5' : `${stack}-pipelined-5`, 'µs', µs('all'), µs('one'), ours ? '<= 1.6' : '')
  })
}

/**
 * `stream-bytes`: a stream of bytes that a method returns, read by a loop, beside the same bytes in a bare pipe; and through the adapters.
 * Each has a pair of processes of its own, is warmed up for as long, and gives the median of the streams that it reads one after the other.
 */
export async function streamBytes(repetitions: number, peers: readonly PeerName[]): Promise<Row[]> {
  const run = async (client: Child, ms: number, _: ObjectStackName, through?: Adapter): Promise<number> =>
    median((await client.ask({ do: 'stream', ms, bytes: STREAM, through })) as number[])
  const variants = ['pipe', 'objects', 'objects-web', 'objects-node', ...capnwebOf(peers)] as const
  const results = await takeTurns(repetitions, variants, run, ROUNDS)
  return [
    rowOf('stream-bytes', 'MB/s', results('objects'), results('pipe'), '>= 0.8'),
    rowOf('stream-bytes-web', 'MB/s', results('objects-web'), results('pipe'), '>= 0.8'),
    rowOf('stream-bytes-node', 'MB/s', results('objects-node'), results('pipe'), '>= 0.8'),
    ...capnwebOf(peers).map((peer) => rowOf(`${peer}-stream-bytes`, 'MB/s', results(peer), results('pipe'), '')),
  ]
}

/** Of the peers only this one has objects. */
function capnwebOf(peers: readonly PeerName[]): 'capnweb'[] {
  return peers.includes('capnweb') ? ['capnweb'] : []
}

/** A stack, and for a stream what it is read through. */
type Variant = ObjectStackName | `objects-${Adapter}`

function parts(variant: Variant): { readonly stack: ObjectStackName; readonly through?: Adapter } {
  if (variant === 'objects-web') return { stack: 'objects', through: 'web' }
  if (variant === 'objects-node') return { stack: 'objects', through: 'node' }
  return { stack: variant }
}

/**
 * A pair of processes for each variant; all take turns, so that what else the machine does meets all of them. A repetition may have several
 * turns of each, and is the median of them.
 */
async function takeTurns<V extends Variant>(
  repetitions: number,
  variants: readonly V[],
  run: (client: Child, ms: number, stack: ObjectStackName, through?: Adapter) => Promise<number>,
  rounds: number = 1,
): Promise<(variant: V) => number[]> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const pairs: { variant: V; client: Child; server: Child; results: number[] }[] = []
  try {
    for (const variant of variants) {
      const [client, server] = await Promise.all([startChild('objects'), startChild('objects')])
      pairs.push({ variant, client, server, results: [] })
      const path = join(directory, variant)
      const { stack, through } = parts(variant)
      await server.ask({ do: 'serve', stack, path })
      await client.ask({ do: 'connect', stack, path })
      await run(client, WARMING, stack, through)
    }
    for (let i = 0; i < repetitions; i++) {
      const turns = pairs.map((): number[] => [])
      for (let round = 0; round < rounds; round++) {
        for (const [at, { variant, client }] of pairs.entries()) {
          const { stack, through } = parts(variant)
          turns[at]?.push(await run(client, TIME, stack, through))
        }
      }
      for (const [at, { results }] of pairs.entries()) results.push(median(turns[at] ?? []))
    }
    return (variant) => pairs.find((pair) => pair.variant === variant)?.results ?? []
  } finally {
    await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
    await rm(directory, { recursive: true, force: true })
  }
}
