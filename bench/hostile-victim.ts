import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './children.ts'
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
const WARM = 100
/** Calls before anything is measured. */
const COMPILED = 20_000

/** What is compared with the calls of the victim alone. */
interface Scenario {
  readonly suffix: string
  /** Links of the attacker at a time; without, as many as the attack has. */
  readonly links?: number
  /** The server knows who calls. */
  readonly named: boolean
}

const SCENARIOS: readonly Scenario[] = [
  { suffix: '', named: true },
  { suffix: '-one-link', links: 1, named: true },
  { suffix: '-nameless', named: false },
]

/**
 * `victim-KIND-p50`: 100-byte calls of an honest client, one at a time, while another client of the same server does its worst from its
 * first link on, beside the same calls right before, without it. `-one-link`: with one link at a time, opened again whenever it was cut.
 * `-nameless`: the server does not know which links are whose. `-mean`: the mean in place of the median, of all links at once.
 * `-neighbour`: the mean beside a process that needs as much of a processor as the attacker did and leaves the server alone.
 */
export async function hostileVictim(repetitions: number): Promise<Row[]> {
  const bench = await Bench.start()
  const figures = new Map<string, { values: number[]; baselines: number[] }>()
  const note = (name: string, value: number, baseline: number): void => {
    const figure = figures.get(name) ?? { values: [], baselines: [] }
    figures.set(name, figure)
    figure.values.push(value)
    figure.baselines.push(baseline)
  }
  try {
    for (let i = 0; i < repetitions; i++) {
      for (const kind of KINDS) {
        for (const { suffix, links, named } of SCENARIOS) {
          const alone = await bench.calls()
          const { during, share } = await bench.attack(kind, links, named)
          note(`victim-${kind}${suffix}-p50`, median(during), median(alone))
          if (suffix !== '') continue
          note(`victim-${kind}-mean`, mean(during), mean(alone))
          note(`victim-${kind}-neighbour-mean`, mean(await bench.beside(share)), mean(alone))
        }
      }
    }
    return [...figures].map(([name, { values, baselines }]) =>
      rowOf(name, 'µs', values, baselines, name.endsWith('neighbour-mean') ? '' : '<= 2'),
    )
  } finally {
    await bench.stop()
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A server, its honest client, and one that is not. */
class Bench {
  readonly #directory: string
  readonly #server: Child
  readonly #victim: Child
  readonly #hostile: Child
  #attacks = 0

  private constructor(directory: string, server: Child, victim: Child, hostile: Child) {
    this.#directory = directory
    this.#server = server
    this.#victim = victim
    this.#hostile = hostile
  }

  static async start(): Promise<Bench> {
    const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
    const [server, victim, hostile] = await Promise.all(
      ['guarded', 'socket', 'hostile'].map((name) => startChild(name)),
    )
    const bench = new Bench(directory, server as Child, victim as Child, hostile as Child)
    const path = await bench.#listen('victim', true)
    await bench.#victim.ask({ do: 'connect', stack: 'busbar', path })
    await bench.#serial({ count: COMPILED })
    return bench
  }

  async stop(): Promise<void> {
    await Promise.all([this.#server.stop(), this.#victim.stop(), this.#hostile.stop()])
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** The time of each call of the victim, `µs`. */
  async calls(): Promise<number[]> {
    await this.#serial({ ms: WARM })
    return this.#serial({ ms: TIME })
  }

  /** The same during an attack by somebody who was never seen before, and the `share` of a processor that the attacker needed. */
  async attack(kind: Kind, links: number | undefined, named: boolean): Promise<{ during: number[]; share: number }> {
    const path = await this.#listen(`hostile-${this.#attacks++}`, named)
    const [time, used] = [performance.now(), await this.#used()]
    await this.#hostile.ask({ do: 'attack', kind, path, links })
    const during = await this.calls()
    const share = ((await this.#used()) - used) / (performance.now() - time)
    const { bytes, cut } = (await this.#hostile.ask({ do: 'stop' })) as Damage
    if (bytes === 0) throw new Error(`the attack "${kind}" sent nothing`)
    console.error(
      `${kind} on ${links ?? 'all'} links: ${bytes} bytes, ${cut} links cut, ${share.toFixed(2)} processors`,
    )
    return { during, share }
  }

  /** The same beside a neighbour that needs such a `share` of a processor for itself. */
  async beside(share: number): Promise<number[]> {
    // A timer counts in hundredths of a second: one that needed less needed nothing that can be shown.
    if (share > 0.01) await this.#hostile.ask({ do: 'burn', share: Math.min(1, share) })
    const during = await this.calls()
    await this.#hostile.ask({ do: 'stop' })
    return during
  }

  async #listen(name: string, named: boolean): Promise<string> {
    const path = join(this.#directory, name)
    await this.#server.ask({ do: 'listen', path, ...(named ? { caller: name } : {}) })
    return path
  }

  async #serial(load: { ms?: number; count?: number }): Promise<number[]> {
    const all = { size: SMALL, inFlight: 1, count: Number.MAX_SAFE_INTEGER, ms: Number.MAX_VALUE, ...load }
    const times = (await this.#victim.ask({ do: 'serial', ...all })) as number[]
    return times.map((time) => time * 1000)
  }

  /** Processor time of the attacker so far, `milliseconds` (fields 14 and 15 of proc_pid_stat(5), in hundredths of a second). */
  async #used(): Promise<number> {
    const stat = await readFile(`/proc/${this.#hostile.process.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
    return 10 * (Number(fields[11]) + Number(fields[12]))
  }
}
