/** Every guard above the rings removed in turn, and each step that a lie depends on: some check must notice. */
import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { descriptorsTo, guardMutants, killerOf, type Mutant, mutatedText, stepMutant } from '../../testing/index.ts'
import { type Check, type Mapped, turns } from './hostile-end.test.ts'
import { MEDIUM_CHECKS } from './hostile-media.test.ts'
import { STREAM_CHECKS } from './hostile-streams.test.ts'

const SOURCE = fileURLToPath(new URL('.', import.meta.url))
const LAYERS = join(SOURCE, '../..')
/** The sources that are altered, and which checks know them. Everything else is there once for all mutants. */
const FILES: Readonly<Record<string, readonly Check[]>> = {
  'stream.ts': STREAM_CHECKS,
  'preface.ts': STREAM_CHECKS,
  'region.ts': MEDIUM_CHECKS,
  'medium.ts': MEDIUM_CHECKS,
  'place-medium.ts': MEDIUM_CHECKS,
}
/** What sizes are counted in: one unit less is the next value that is possible at all. */
const UNITS: Readonly<Record<string, number>> = { 'region.ts': 4096, 'medium.ts': 4096, 'place-medium.ts': 4096 }
/** What follows the condition of a guard. */
const REFUSES = String.raw`throw\b|return Promise\.reject\(|return this\.#fail\(|return this\.#below\.close\(|return letGo\(`
const GUARD = new RegExp(String.raw`if \((.+)\)\s+(?:\{\s*)?(?:${REFUSES})`, 'g')

const textOf = (file: string): string => readFileSync(join(SOURCE, file), 'utf8')

/** What has no guard: one text of a file and another for it. */
const STEPS: readonly (readonly [string, string, string])[] = [
  ['stream.ts', 'if (this.#inbox.ended) return false', ''],
  ['stream.ts', 'expected === this.#got && this.#inbox.unread === 0', 'this.#inbox.unread === 0'],
  ['stream.ts', 'if (!begun) this.#inbox.end()', 'if (expected === undefined) this.#inbox.end()'],
  ['stream.ts', 'this.#raised = this.#rings !== undefined', 'this.#raised = true'],
  ['stream.ts', '|| this.#raised) return\n    if (this.#preface.begun)', ') return\n    if (this.#preface.begun)'],
  ['stream.ts', 'this.#poller.remove(this)\n    letGo(this.#rings)', 'this.#poller.remove(this)'],
  ['stream.ts', 'letGo(this.#rings)\n    this.#rings = undefined', 'letGo(this.#rings)'],
  ['stream.ts', 'writePreface(preface, this.#sent)', 'writePreface(preface, 1)'],
  ['stream.ts', 'if (this.#inbox.ended || !this.#preface.read(reader))', 'if (!this.#preface.read(reader))'],
  ['stream.ts', 'this.#inbox.fail(reason)', ''],
  ['stream.ts', 'this.#gate.fail(reason)', ''],
  ['stream.ts', 'this.#letGo()\n    this.#below.close(reason)', 'this.#below.close(reason)'],
  ['stream.ts', 'this.#letGo()\n    this.#below.close(reason)', 'this.#letGo()'],
  ['stream.ts', 'settle()) return\n    this.#letGo()', 'settle()) return'],
  ['stream.ts', 'if (!this.#belowEnded) this.#awaitEnd()', ''],
  ['stream.ts', 'timer.cancel()', 'undefined'],
  ['stream.ts', 'this.#rings = undefined\n    this.#queue.clear()', 'this.#queue.clear()'],
  ['stream.ts', '  writer.close()\n', ''],
  ['stream.ts', '  reader.close()\n', ''],
  ['stream.ts', '  release()\n}', '}'],
  ['preface.ts', 'return this.#have > 0', 'return this.#have >= PREFACE_BYTES'],
  ['preface.ts', 'readInto(this.#bytes, this.#have)', 'readInto(this.#bytes)'],
  ['preface.ts', 'view.getUint32(4, true) * 2 ** 32', '0'],
  ['region.ts', 'bytes.slice(0, KEY_AT + KEY_BYTES)', 'bytes.slice(0, KEY_AT + KEY_BYTES - 1)'],
  ['region.ts', 'index * (PAGE_BYTES + ringBytes)', 'index * ringBytes'],
  ['medium.ts', 'writer: new RingWriter(side === 0 ? first : second', 'writer: new RingWriter(second'],
  ['medium.ts', 'writer: new RingWriter(side === 0 ? first : second', 'writer: new RingWriter(first'],
  ['medium.ts', 'mapping?.release()\n    for', 'for'],
  ['medium.ts', 'for (const fd of descriptors) closeSync(fd)', ''],
  [
    'medium.ts',
    'return libc.map(fd, size)\n  } finally {\n    closeSync(fd)',
    'return libc.map(fd, size)\n  } finally {',
  ],
  ['place-medium.ts', 'writer: new RingWriter(side === 0 ? first : second', 'writer: new RingWriter(second'],
  ['place-medium.ts', 'writer: new RingWriter(side === 0 ? first : second', 'writer: new RingWriter(first'],
  ['place-medium.ts', 'release()\n      throw thrown', 'throw thrown'],
  ['place-medium.ts', 'mapping?.release()\n', ''],
  ['place-medium.ts', 'signals.released()\n    }', '}'],
  ['place-medium.ts', 'finally {\n    closeSync(fd)', 'finally {'],
]

const folder = mkdtempSync(join(tmpdir(), 'busbar-mapped-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The sources with one text replaced, as modules of their own; what is not altered is the same for all. */
async function mutated(mutant: Mutant, number: number, later: Mapped['later']): Promise<Mapped> {
  const { file } = mutant
  const root = join(folder, `${number}`)
  const here = join(root, 'transport/mapped')
  mkdirSync(here, { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  for (const layer of ['errors', 'bytes', 'link', 'ring']) symlinkSync(join(LAYERS, layer), join(root, layer))
  symlinkSync(join(LAYERS, 'transport/bulk-memory.ts'), join(root, 'transport/bulk-memory.ts'))
  for (const name of readdirSync(SOURCE).filter((each) => /^[a-z-]+\.ts$/.test(each))) {
    if (name in FILES) cpSync(join(SOURCE, name), join(here, name))
    else symlinkSync(join(SOURCE, name), join(here, name))
  }
  writeFileSync(join(here, file), mutatedText(textOf(file), mutant))
  const modules = Object.keys(FILES).map((name) => import(pathToFileURL(join(here, name)).href) as Promise<object>)
  return Object.assign({ later }, ...(await Promise.all(modules))) as Mapped
}

/** Descriptors of memory, pipes and files of the checks. */
const opened = (): number[] => [...descriptorsTo(/^\/memfd:busbar|^pipe:|busbar-media-/).keys()]

describe('rings in mapped memory: every mutant is killed', () => {
  const guards = Object.keys(FILES).flatMap((file) => {
    return guardMutants(file, textOf(file), { guard: GUARD, unit: UNITS[file] ?? 1 })
  })
  const mutants = [...guards, ...STEPS.map(([file, from, to]) => stepMutant(file, textOf(file), from, to))]
  // What a mutant throws where nobody hears it is its own affair.
  const unheard = (): void => {}
  process.on('unhandledRejection', unheard)
  after(() => void process.off('unhandledRejection', unheard))

  test('each refusal has mutants', () => {
    const passedOn = /throw thrown|throw new BusbarError\('UNAVAILABLE'/g
    for (const file of Object.keys(FILES)) {
      const text = textOf(file)
      const throws = (text.match(/\bthrow\b/g)?.length ?? 0) - (text.match(passedOn)?.length ?? 0)
      const refusals = throws + (text.match(/return this\.#fail\(new|Promise\.reject\(new/g)?.length ?? 0)
      const found = new Set(guards.filter((guard) => guard.file === file).map(({ at }) => at)).size
      assert.ok(found >= refusals, `${file}: ${found} of ${refusals}`)
    }
  })

  test('as it is it passes every check', async () => {
    const mapped = await mutated({ name: '', file: 'stream.ts', at: 0, from: '', to: '' }, mutants.length, undefined)
    assert.equal(await killerOf([...STREAM_CHECKS, ...MEDIUM_CHECKS], mapped), undefined)
  })

  for (const [number, mutant] of mutants.entries()) {
    test(mutant.name, async () => {
      const before = opened()
      const begun: (() => void)[] = []
      const mapped = await mutated(mutant, number, (letGo) => begun.push(letGo))
      const noticed = await killerOf(FILES[mutant.file] ?? [], mapped)
      for (const letGo of begun) letGo()
      await turns(10)
      // What it has forgotten.
      for (const fd of opened()) if (!before.includes(fd)) closeSync(fd)
      assert.ok(noticed !== undefined, 'no check notices')
    })
  }
})
