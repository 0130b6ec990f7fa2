import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './children.ts'
import type { Damage, Kind } from './peers/hostile.ts'
import { median, type Row, rowOf } from './rows.ts'
import { SMALL } from './socket-pairs.ts'

const KINDS: readonly Kind[] = [
  'contexts',
  'fragments',
  'alloc-hints',
  'frag-lengths',
  'counts',
  'never-reads',
  'slow-loris',
  'calls',
]
/** Each figure of each repetition is measured for so long, `milliseconds`, after so many of it that do not count. */
const TIME = 400
const WARM = 200
/** Calls before anything is measured. */
const COMPILED = 20_000

/**
 * `victim-KIND-p50`: 100-byte calls of an honest client, one at a time, while another client of the same server does its worst; beside the
 * same calls right before, without it.
 */
export async function hostileVictim(repetitions: number): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const [server, victim, hostile] = await Promise.all([
    startChild('socket'),
    startChild('socket'),
    startChild('hostile'),
  ])
  try {
    const path = join(directory, 's')
    await server.ask({ do: 'serve', stack: 'busbar', path })
    await victim.ask({ do: 'connect', stack: 'busbar', path })
    const serial = (load: { ms?: number; count?: number }): Promise<number[]> =>
      victim.ask({
        do: 'serial',
        size: SMALL,
        inFlight: 1,
        count: Number.MAX_SAFE_INTEGER,
        ms: Number.MAX_VALUE,
        ...load,
      }) as Promise<number[]>
    const p50 = async (): Promise<number> => {
      await serial({ ms: WARM })
      return median(await serial({ ms: TIME })) * 1000
    }
    await serial({ count: COMPILED })
    const attacked = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]))
    const alone = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]))
    for (let i = 0; i < repetitions; i++) {
      for (const kind of KINDS) {
        alone.get(kind)?.push(await p50())
        await hostile.ask({ do: 'attack', kind, path })
        attacked.get(kind)?.push(await p50())
        const { bytes, cut } = (await hostile.ask({ do: 'stop' })) as Damage
        if (bytes === 0) throw new Error(`the attack "${kind}" sent nothing`)
        console.error(`${kind}: ${bytes} bytes, ${cut} links cut`)
      }
    }
    return KINDS.map((kind) =>
      rowOf(`victim-${kind}-p50`, 'µs', attacked.get(kind) ?? [], alone.get(kind) ?? [], '<= 2'),
    )
  } finally {
    await Promise.all([server.stop(), victim.stop(), hostile.stop()])
    await rm(directory, { recursive: true, force: true })
  }
}
