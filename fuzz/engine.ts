import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SimRandom } from './inside.ts'
import { settle, type Target } from './target.ts'

/** Inputs in a row that share a block, and that one target gets before the next has its turn (our choice). */
const BLOCK = 32
/** Runs that shortening a finding may take (our choice: a second or so). */
const MAX_SHRINKS = 400

export interface FuzzOptions {
  readonly targets: readonly Target[]
  readonly seed: string
  /** Stops after so many inputs of each target ... */
  readonly inputs?: number
  /** ... or after so many `seconds`. */
  readonly seconds?: number
  progress?(inputs: number): void
  /** Told of each input before it runs. */
  begins?(input: Begun): void
}

/** One input, and where it is from. */
export interface Begun {
  readonly target: string
  readonly seed: string
  /** Number of the input under that seed. */
  readonly index: number
  readonly input: Uint8Array
}

/** An input that breaks a rule, as it is kept in a file: the shortest one found that fails in the same way. */
export interface Crash extends Begun {
  readonly error: string
}

export interface FuzzResult {
  readonly inputs: Readonly<Record<string, number>>
  /** Depends on every input and on what came of it; equal for equal seeds and counts. */
  readonly digest: string
  readonly crash: Crash | undefined
}

/** Runs inputs of each target in turn until the first that breaks a rule. The n-th input of a target depends on the seed alone. */
export async function fuzz({ targets, seed, inputs, seconds, progress, begins }: FuzzOptions): Promise<FuzzResult> {
  const until = performance.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1000
  const most = inputs ?? Number.POSITIVE_INFINITY
  const counts: Record<string, number> = Object.fromEntries(targets.map(({ name }) => [name, 0]))
  let digest = 0x811c9dc5
  const mix = (value: number): void => {
    digest = Math.imul(digest ^ value, 0x01000193) >>> 0
  }
  const result = (crash?: Crash): FuzzResult => ({ inputs: counts, digest: digest.toString(16), crash })
  for (let first = 0; first < most && performance.now() < until; first += BLOCK) {
    for (const target of targets) {
      const { name } = target
      for (let index = first; index < Math.min(most, first + BLOCK); index++) {
        const input = draw(target, seed, index)
        for (const byte of input) mix(byte)
        counts[name] = index + 1
        begins?.({ target: name, seed, index, input })
        const { outcome, error } = await attempt(target, input)
        for (let at = 0; at < outcome.length; at++) mix(outcome.charCodeAt(at))
        if (error === undefined) continue
        const shortest = await shorten(
          target,
          input,
          error,
          begins && ((shorter) => begins({ target: name, seed, index, input: shorter })),
        )
        return result({ target: name, seed, index, error, input: shortest })
      }
    }
    progress?.(Object.values(counts).reduce((sum, count) => sum + count, 0))
  }
  return result()
}

/** The n-th input of a target. */
function draw(target: Target, seed: string, index: number): Uint8Array {
  const random = new SimRandom(`${seed} ${target.name}`)
  return target.draw(random.fork(`input ${index}`), random.fork(`block ${Math.floor(index / BLOCK)}`))
}

/** How an input fails; `undefined` when every rule holds. */
export async function failureOf(target: Target, input: Uint8Array): Promise<string | undefined> {
  return (await attempt(target, input)).error
}

async function attempt(target: Target, input: Uint8Array): Promise<{ outcome: string; error: string | undefined }> {
  let outcome = ''
  let escaped: unknown
  const escape = (reason: unknown): void => {
    escaped ??= reason
  }
  process.on('unhandledRejection', escape)
  process.on('uncaughtException', escape)
  try {
    outcome = await target.run(input)
    await settle()
  } catch (thrown) {
    return { outcome, error: text(thrown) }
  } finally {
    process.off('unhandledRejection', escape)
    process.off('uncaughtException', escape)
  }
  return { outcome, error: escaped === undefined ? undefined : `nobody catches this: ${text(escaped)}` }
}

function text(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

/** Leaves out ranges of bytes as long as the input fails with the same message, whatever the numbers in it are. */
async function shorten(
  target: Target,
  input: Uint8Array,
  error: string,
  begins: ((input: Uint8Array) => void) | undefined,
): Promise<Uint8Array> {
  const kind = kindOf(error)
  let best = input
  let runs = 0
  for (let size = Math.ceil(best.length / 2); size >= 1 && runs < MAX_SHRINKS; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && runs < MAX_SHRINKS; ) {
      const shorter = new Uint8Array([...best.subarray(0, at), ...best.subarray(at + size)])
      runs++
      begins?.(shorter)
      const failure = await failureOf(target, shorter)
      if (failure !== undefined && kindOf(failure) === kind) best = shorter
      else at += size
    }
  }
  return best
}

function kindOf(error: string): string {
  return (error.split('\n')[0] ?? '').replaceAll(/[0-9a-f]{8,}|\d+/g, '#').slice(0, 80)
}

/** Writes a crash file; returns its path. */
export function saveCrash(folder: string, crash: Crash): string {
  mkdirSync(folder, { recursive: true })
  const path = crashPath(folder, crash)
  writeFileSync(path, crashText(crash))
  return path
}

export function crashPath(folder: string, { target, seed, index }: Crash): string {
  return join(folder, `${target}-${seed.replaceAll(/\W/g, '_')}-${index}.json`)
}

export function crashText({ input, ...rest }: Crash): string {
  return `${JSON.stringify({ ...rest, input: Buffer.from(input).toString('hex') }, undefined, 2)}\n`
}

/** Reads a crash file. */
export function loadCrash(path: string): Crash {
  const crash = JSON.parse(readFileSync(path, 'utf8')) as Omit<Crash, 'input'> & { readonly input: string }
  return { ...crash, input: new Uint8Array(Buffer.from(crash.input, 'hex')) }
}
