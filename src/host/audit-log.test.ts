import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { PolicyStore } from '../policy/index.ts'
import { accessPolicy } from './access.ts'
import { AuditLog, auditFileName } from './audit-log.ts'

let directory: string
let count = 0

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-audit-'))
})
after(() => rm(directory, { recursive: true, force: true }))

const DECISION = {
  at: Date.UTC(2026, 0, 2),
  caller: 'web',
  target: 'storage',
  service: 'files.Store',
  mode: 'byte' as const,
  allowed: true,
  rule: 1,
  generation: 1,
  reason: 'allowed by rule 1',
}

async function lines(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, 'utf8')
  assert.ok(text === '' || text.endsWith('\n'))
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function fresh(): string {
  return join(directory, `${count++}`, 'audit.jsonl')
}

test('a line for each decision, with its rule, that only this user can read', async () => {
  const path = fresh()
  const log = AuditLog.open(path)
  log.record(DECISION)
  log.record({ ...DECISION, allowed: false, rule: undefined, reason: 'denied by default\n\u001b[31m' })
  assert.deepEqual(await lines(path), [
    { schemaVersion: 1, sequence: 1, ...DECISION, at: '2026-01-02T00:00:00.000Z' },
    {
      ...{ schemaVersion: 1, sequence: 2, ...DECISION, at: '2026-01-02T00:00:00.000Z', allowed: false, rule: null },
      reason: 'denied by default\\u{a}\\u{1b}[31m',
    },
  ])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  log.close()
})

test('whatever is recorded, it takes no more than so many files of so many bytes, and the newest are kept', async () => {
  const path = fresh()
  const limits = { fileBytes: 1000, files: 3 }
  const log = AuditLog.open(path, limits)
  for (let i = 0; i < 100; i++) log.record({ ...DECISION, reason: 'x'.repeat((i * 37) % 500) })
  const names = (await readdir(join(path, '..'))).sort()
  assert.deepEqual(names, ['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2'])
  const kept: unknown[] = []
  for (const name of names.toReversed()) {
    const file = join(path, '..', name)
    assert.ok((await stat(file)).size <= limits.fileBytes, name)
    for (const { sequence } of await lines(file)) kept.push(sequence)
  }
  assert.deepEqual(
    kept,
    Array.from(kept, (_, i) => 100 - kept.length + 1 + i),
    'no gap up to the last',
  )
  log.close()
})

test('it goes on behind what is there, and behind a line that a dead process left unended', async () => {
  const path = fresh()
  const first = AuditLog.open(path)
  first.record(DECISION)
  first.close()
  await appendFile(path, '{"schemaVersion":1,"seq')
  const second = AuditLog.open(path)
  second.record(DECISION)
  second.close()
  const [one, torn, two, end] = (await readFile(path, 'utf8')).split('\n')
  assert.equal((JSON.parse(one ?? '') as { sequence: number }).sequence, 1)
  assert.equal(torn, '{"schemaVersion":1,"seq')
  assert.equal((JSON.parse(two ?? '') as { sequence: number }).sequence, 1)
  assert.equal(end, '')
})

test('what a link of its name leads to is not written to', async () => {
  const path = fresh()
  const log = AuditLog.open(path)
  log.close()
  await rm(path)
  const target = join(directory, 'precious')
  await writeFile(target, 'precious')
  await symlink(target, path)
  assert.throws(() => AuditLog.open(path), { code: 'UNAVAILABLE', stage: 'audit' })
  assert.equal(await readFile(target, 'utf8'), 'precious')
})

test('what cannot be recorded is not allowed, but to the operator, who must get in to mend it', () => {
  const full = (): void => {
    throw new BusbarError('UNAVAILABLE', 'no room')
  }
  const store = new PolicyStore({ now: () => 0, audit: full })
  assert.ok(store.load('policy:\n  - { allow: "*", to: "*", service: "*" }\n', 'x.yaml').loaded)
  const policy = accessPolicy(store, full)
  const question = { target: 'storage', service: 'log', mode: 'byte' as const }
  assert.equal(policy.decide({ ...question, caller: 'web' }).allowed, false)
  assert.equal(policy.decide({ ...question, caller: 'host' }).allowed, true)
})

test('it is written again as soon as it can be', async () => {
  const path = fresh()
  const log = AuditLog.open(path, { fileBytes: 200, files: 2 })
  log.record(DECISION)
  // A directory in the way of the old file: turning over fails, whoever runs this test.
  await mkdir(`${path}.1`)
  assert.throws(() => log.record(DECISION), { code: 'UNAVAILABLE' })
  await rm(`${path}.1`, { recursive: true })
  log.record(DECISION)
  assert.deepEqual(log.inspect(), { path, recorded: 2, lost: 1 })
  log.close()
})

test('each socket has a file of its own', () => {
  assert.equal(auditFileName('/run/busbar/bus.sock', true), 'audit.jsonl')
  assert.notEqual(auditFileName('/a/bus.sock', false), auditFileName('/b/bus.sock', false))
  assert.match(auditFileName('/a/bus.sock', false), /^audit-[0-9a-f]{12}\.jsonl$/)
})
