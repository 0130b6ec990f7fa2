import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { guardMutants, killerOf, type Mutant, mutatedText, stepMutant } from '../testing/index.ts'
import { checkChunks } from './chunks.test.ts'
import { checkInterleavings } from './interleavings.test.ts'
import { checkPlaces } from './places.test.ts'
import { checkRefusals } from './refusals.test.ts'
import { hostileWrites } from './hostile-writes.test.ts'
import { oracleCells, oracleReads, oracleWrites, type Ring } from './schedules.test.ts'

const SOURCE = fileURLToPath(new URL('.', import.meta.url))

/** The checks that must notice, the quick ones first. */
const CHECKS: readonly [string, (ring: Ring) => void][] = [
  ['refusals', checkRefusals],
  ['every place', checkPlaces],
  ['chunks', checkChunks],
  ['lending', (ring) => oracleReads(ring, 'byte', 'one', 'lent')],
  ['hostile writes', (ring) => hostileWrites(ring, 'message', { writes: 2 })],
  ['hostile writes to bytes', (ring) => hostileWrites(ring, 'byte', { writes: 1 })],
  ['all values of a header', (ring) => oracleReads(ring, 'message', 'one')],
  ['hostile writes, given', (ring) => hostileWrites(ring, 'byte', { writes: 1, given: true })],
  ['all values of cells, given', (ring) => oracleCells(ring, 'byte', 2, true)],
  ['all values of cells', (ring) => oracleCells(ring, 'message', 3)],
  ['all values of cells, to a writer', (ring) => oracleWrites(ring, 'message', 4)],
  ['all values of cells, to a writer of bytes', (ring) => oracleWrites(ring, 'byte', 4)],
  ['all read indexes, to a writer', (ring) => oracleWrites(ring, 'message', 5, [1])],
  ['all read indexes, to a writer of bytes', (ring) => oracleWrites(ring, 'byte', 5, [1])],
  ['interleavings', (ring) => checkInterleavings(ring, 'message', false, [40, 9])],
  ['interleavings of bytes', (ring) => checkInterleavings(ring, 'byte', true, [40, 9])],
  ['all values of headers', (ring) => oracleReads(ring, 'message', 'few')],
]

/** Only a big-endian machine could show that this one is missing. */
const UNSEEN = 'new Uint16Array([1])'

/** What refuses. */
const GUARD = /if \((.+)\) (?:throw\b|\{\n\s*throw\b)/g
const textOf = (file: string): string => readFileSync(join(SOURCE, file), 'utf8')
/** What sizes are counted in: one unit less is the next value that is possible at all. */
const UNITS: Readonly<Record<string, number>> = { 'block.ts': 4096, 'limits.ts': 1, 'reader.ts': 8, 'writer.ts': 8 }

/** What has no `throw`: the order of accesses, and the looks that a sleeper depends on. One text of a file and another for it. */
const ORDERS: readonly (readonly [string, string, string])[] = [
  ['reader.ts', 'this.#mem.store(CELLS.INTERRUPT_MASK, 0)', ''],
  ['reader.ts', 'if (this.#payloadLeft === 0 && this.#available === 0) this.#reload()', ''],
  [
    'reader.ts',
    `this.#mem.store(CELLS.INTERRUPT_MASK, 0)
    if (this.#payloadLeft === 0 && this.#available === 0) this.#reload()`,
    `if (this.#payloadLeft === 0 && this.#available === 0) this.#reload()
    this.#mem.store(CELLS.INTERRUPT_MASK, 0)`,
  ],
  ['reader.ts', 'this.#mem.store(CELLS.INTERRUPT_MASK, 1)', ''],
  ['reader.ts', 'this.#reload()\n    const free', 'const free'],
  ['reader.ts', 'free - released < pending', 'free - released <= pending'],
  ['reader.ts', 'pending <= free', 'pending < free'],
  ['reader.ts', 'this.#mem.store(CELLS.READ_INDEX, this.#at)', ''],
  ['reader.ts', 'const released = this.#unreleased\n    this.#unreleased = 0', 'const released = this.#unreleased'],
  ['reader.ts', 'this.#payloadLeft, most - done,', 'this.#payloadLeft, most,'],
  // Lending, up to the end of the data and on from its start.
  ['reader.ts', 'most - done, this.#size - this.#payloadAt)', 'most - done)'],
  ['reader.ts', 'this.#mem.view(this.#payloadAt, length)', 'this.#mem.view(this.#payloadAt, length + 1)'],
  ['reader.ts', 'this.#mem.view(this.#payloadAt, length)', 'this.#mem.view(this.#payloadAt, this.#payloadLeft)'],
  ['reader.ts', 'this.#payloadAt = this.#wrap(this.#payloadAt + length)', 'this.#payloadAt += length'],
  ['reader.ts', 'this.#taken(length)\n      done += length', 'done += length'],
  ['reader.ts', 'this.#taken(length)\n      done += length', 'this.#taken(length)'],
  ['reader.ts', 'this.#payloadLeft -= length', 'this.#payloadLeft = 0'],
  // The same of reading, and of headers.
  ['reader.ts', 'if (length <= first) this.#mem', 'if (length !== 0) this.#mem'],
  ['reader.ts', 'copyOut(0, into, start + first', 'copyOut(0, into, start'],
  ['reader.ts', 'this.#at = this.#wrap(this.#at + bytes)', 'this.#at += bytes'],
  ['reader.ts', 'this.#wrap(at + header)', 'at + header'],
  ['reader.ts', 'this.#wrap(pipe + 8)', 'pipe + 8'],
  ['writer.ts', 'if (at + total <= size)', 'if (total <= size)'],
  ['writer.ts', 'next >= size ? next - size : next', 'next > size ? next - size : next'],
  ['writer.ts', 'if (first < length) mem.copyIn(0', 'if (length < first) mem.copyIn(0'],
  ['writer.ts', 'if (this.#mem.load(CELLS.INTERRUPT_MASK) !== 0) return', ''],
  ['writer.ts', 'if (this.#read === before) this.#signal = true', ''],
  ['writer.ts', 'if (this.#read === before) this.#signal = true', 'this.#signal = true'],
  ['writer.ts', 'this.#mem.store(CELLS.WRITE_INDEX, this.#at)\n    this.#published', 'this.#published'],
  ['writer.ts', 'this.#mem.store(CELLS.PENDING_SEND, Math.max(least, this.#half) + END_BYTES)', ''],
  ['writer.ts', 'return !this.#roomFor(least)', 'return least > this.#free'],
  ['writer.ts', 'this.#free -= total', ''],
  // Putting together, and giving away.
  ['reader.ts', 'giveBack(bytes, place, place + read)', 'giveBack(bytes, place, place)'],
  ['reader.ts', 'new Uint8Array(this.#slabBuffer, place, read)', 'new Uint8Array(this.#slabBuffer, place, length)'],
  ['reader.ts', 'this.#slabBuffer === undefined || bytes !== this.#slabBytes', 'this.#slabBuffer === undefined'],
  ['reader.ts', 'read === length ? chunk : chunk.subarray(0, read)', 'chunk'],
  ['reader.ts', 'this.#slab.take(padded(length))', 'this.#slab.take(padded(length) >> 1)'],
  ['reader.ts', ' && this.#payloadLeft < LONG)', ')'],
  [
    'reader.ts',
    'Math.max(this.#payloadLeft, Math.min(LONG, this.#payloadLeft + behind))',
    'this.#payloadLeft + behind',
  ],
  ['reader.ts', 'Math.min(LONG, this.#payloadLeft + behind)', 'this.#payloadLeft + behind'],
  ['reader.ts', 'this.#available - this.#packetBytes - PACKET_BYTES', 'this.#available'],
  ['reader.ts', '(!this.#ended && (this.#available !== 0 || this.#look()))', 'this.#available !== 0 || this.#look()'],
  ['reader.ts', '(!this.#ended && (this.#available !== 0 || this.#look()))', '!this.#ended'],
  ['reader.ts', 'this.#release()\n    if (this.#available === 0) this.#reload()\n    return', 'return'],
  ['reader.ts', 'if (this.#available === 0) this.#reload()\n    return', 'return'],
  ['reader.ts', 'if (this.#ended) return false', ''],
  // Writing in parts, and asking for space.
  ['writer.ts', 'Math.min(length - done, this.maxPayload)', 'length - done'],
  ['writer.ts', 'PACKET_BYTES + padded(piece) <= this.#free || this.#roomFor(PACKET_BYTES + padded(piece))', 'true'],
  ['writer.ts', ' || this.#roomFor(PACKET_BYTES + padded(piece))', ''],
  ['writer.ts', 'if (this.#free < this.#quarter) break', 'if (this.#free < PACKET_BYTES) break'],
  ['writer.ts', 'if (this.#free < this.#quarter) break', 'break'],
  ['writer.ts', 'const part = this.#free - PACKET_BYTES', 'const part = this.#free - PACKET_BYTES + 8'],
  ['writer.ts', 'this.#packet(bytes, start + done, part)', 'this.#packet(bytes, start, part)'],
  ['writer.ts', 'this.#packet(bytes, start + done, piece)', 'this.#packet(bytes, start, piece)'],
  ['writer.ts', 'done += part', 'done += part + 8'],
  ['writer.ts', 'return this.#roomFor(this.#least(length))', 'return this.#least(length) <= this.#free'],
  ['writer.ts', 'return this.#message ? needed : this.#half', 'return needed'],
  ['writer.ts', 'this.#pending = false\n      this.#mem.store(CELLS.PENDING_SEND, 0)', 'this.#pending = false'],
]

const folder = mkdtempSync(join(tmpdir(), 'busbar-ring-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The ring with one text in it replaced, as modules of its own. */
async function mutated(mutant: Mutant, number: number): Promise<Ring> {
  const { file } = mutant
  const root = join(folder, `${number}`)
  mkdirSync(join(root, 'ring'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  for (const layer of ['errors', 'bytes']) symlinkSync(join(SOURCE, '..', layer), join(root, layer))
  for (const name of readdirSync(SOURCE).filter((each) => /^[a-z-]+\.ts$/.test(each))) {
    cpSync(join(SOURCE, name), join(root, 'ring', name))
  }
  const path = join(root, 'ring', file)
  writeFileSync(path, mutatedText(textOf(file), mutant))
  return (await import(pathToFileURL(join(root, 'ring/index.ts')).href)) as Ring
}

describe('ring: every mutant is killed', () => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })
  const guards = Object.entries(UNITS).flatMap(([file, unit]) =>
    guardMutants(file, textOf(file), { guard: GUARD, unit }),
  )
  const orders = ORDERS.map(([file, from, to]) => stepMutant(file, textOf(file), from, to))
  const mutants = [...guards.filter(({ from }) => !from.includes(UNSEEN)), ...orders]

  test('each throw in the ring has mutants', () => {
    for (const file of Object.keys(UNITS)) {
      const throws = textOf(file).match(/\bthrow\b/g)?.length ?? 0
      assert.equal(new Set(guards.filter((guard) => guard.file === file).map(({ at }) => at)).size, throws, file)
    }
  })

  test('the ring as it is passes every check', async () => {
    const same = { name: '', file: 'reader.ts', at: 0, from: '', to: '' }
    assert.equal(await killerOf(CHECKS, await mutated(same, mutants.length)), undefined)
  })

  for (const [number, mutant] of mutants.entries()) {
    test(mutant.name, async () => {
      assert.ok(await killerOf(CHECKS, await mutated(mutant, number)), 'no check notices')
    })
  }
})
