import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { checkBusConfig, parseBusConfig } from '../policy/index.ts'
import { failureRecord, renderFailure, whereToLook } from './failure.ts'

const CONTEXT = { doing: 'busbar call a/b c', stage: 'call', look: 'look there' }

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (thrown) {
    return thrown
  }
}

test('header, causes with their stages, hints, and always where to look', () => {
  const cause = new BusbarError('LINK_LOST', 'it broke', { stage: 'connect' })
  const error = new BusbarError('DENIED', 'not allowed', { stage: 'open a/b', cause, hints: ['ask'] })
  assert.deepEqual(renderFailure(error, CONTEXT).split('\n'), [
    'error: busbar call a/b c (BUS-3003 DENIED)',
    '  → open a/b: not allowed',
    '  → connect: it broke',
    '  → ask',
    '  → look there',
  ])
})

test('a cause that says what stands above it is told once, whatever its stage', () => {
  const cause = new BusbarError('DENIED', 'not allowed', { stage: 'policy' })
  const error = new BusbarError('DENIED', 'a/b: not allowed', { stage: 'open', cause })
  assert.deepEqual(renderFailure(error, CONTEXT).split('\n').slice(1), ['  → open: a/b: not allowed', '  → look there'])
  assert.deepEqual((failureRecord(error, 'call')['error'] as { causes: unknown }).causes, [])
})

test('no cause is without a stage', () => {
  const cause = new SyntaxError('odd')
  const error = new BusbarError('BUSY', 'no stage of its own', { cause })
  assert.match(renderFailure(error, CONTEXT), /→ call: no stage of its own\n {2}→ SyntaxError: odd\n/)
  const { stage, causes } = failureRecord(error, 'call')['error'] as { stage: string; causes: unknown }
  assert.deepEqual([stage, causes], ['call', [{ stage: 'SyntaxError', message: 'odd' }]])
})

test('what the system refuses is no bug in Busbar', async () => {
  const thrown: unknown = await readFile('/nowhere/at/all').catch((error: unknown) => error)
  assert.match(renderFailure(thrown, CONTEXT), /\(BUS-1006 UNAVAILABLE\)\n {2}→ call: ENOENT: .*\n {2}→ look there$/)
  assert.match(renderFailure(new TypeError('odd'), CONTEXT), /\(BUS-9001 INTERNAL\)/)
})

test('texts of a partition cannot move the cursor, as text and as data', () => {
  const evil = '\u001b[31mred\u202e'
  const remote = { name: evil, code: evil, message: evil }
  const error = new BusbarError('FAULT', evil, { stage: evil, hints: [evil], remote })
  const told = `${renderFailure(error, CONTEXT)}${JSON.stringify(failureRecord(error, 'call'))}`
  assert.ok(!/[\u001b\u202e]|\\u001b/.test(told), told)
  assert.match(told, /→ component: threw .* red|threw \\u\{1b\}\[31mred/)
})

test('what is wrong in a file is told by file, line and column, one line each', () => {
  const source = 'partitions:\n  web: { kind: qemo }\npolicy:\n  - { alow: web }\n'
  const error = thrownBy(() => parseBusConfig(source, 'lab.yaml'))
  const record = failureRecord(error, 'up')['error'] as {
    message: string
    places: { file: string; line: number; column: number; message: string }[]
  }
  assert.ok(record.message.split('\n').length >= 2 && !record.message.includes('\\u{a}'), record.message)
  assert.deepEqual([...new Set(record.places.map(({ file, line }) => `${file}:${line}`))], ['lab.yaml:2', 'lab.yaml:4'])
  for (const { column, message } of record.places) assert.ok(column > 1 && record.message.includes(message))
})

test('a file that is empty, or no YAML, comes with a hint, and with where an example is', () => {
  for (const source of ['', '# nothing\n', 'partitions: [', 'partitions:\n\tweb: 1\n', 'a: "b\n']) {
    assert.ok(checkBusConfig(source, 'x.yaml').problems.length > 0)
    const error = thrownBy(() => parseBusConfig(source, 'x.yaml')) as BusbarError
    assert.ok(error.hints.length > 0, source)
    assert.equal(whereToLook(error, { name: 'up', look: 'elsewhere' }), 'see `busbar up --help`')
  }
})

test('where to look depends on what went wrong', () => {
  const command = { name: 'ls', look: 'run `busbar ls`' }
  const where = (code: 'NOT_READY', stage: string): string => whereToLook(new BusbarError(code, '', { stage }), command)
  assert.equal(where('NOT_READY', 'open a/b'), 'run `busbar ls`')
  // There is no bus that could list anything.
  assert.doesNotMatch(where('NOT_READY', 'attach'), /busbar ls/)
})
