import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Report, reportTables } from './report-tables.ts'

const report: Report = {
  bus: {
    partitions: [{ name: 'storage', epoch: 2, attached: true }],
    offers: [
      { partition: 'storage', service: 'files.Store', mode: 'byte', contract: 'files.Store@1.2' },
      { partition: 'storage', service: 'log', mode: 'message', contract: '' },
    ],
    pipes: [
      { caller: 'web', pipe: 'storage/log', medium: 'stream', bytesToService: 12, bytesToCaller: 3456 },
      { caller: 'api', pipe: 'storage/log', medium: 'ring' },
    ],
  },
  partitions: [{ name: 'storage', kind: 'qemu', running: { pid: 7 }, log: '/var/log/it' }],
}

test('partitions, services and pipes, each in a table', () => {
  assert.deepEqual(reportTables(report), [
    'PARTITION  KIND  STATE     EPOCH  PID  LOG',
    'storage    qemu  attached  2      7    /var/log/it',
    '',
    'SERVICE              MODE     CONTRACT',
    'storage/files.Store  byte     files.Store@1.2',
    'storage/log          message  a plain stream',
    '',
    'PIPE                MEDIUM  TO SERVICE  TO CALLER',
    'web -> storage/log  stream  12 B        3.5 kB',
    'api -> storage/log  ring    -           -',
  ])
})

test('who may call what, with the rule that says so', () => {
  const callers = [
    { partition: 'web', rule: 1 },
    { partition: 'worker', rule: 3 },
  ]
  const lines = reportTables({ ...report, access: [{ partition: 'storage', service: 'files.Store', callers }] })
  assert.deepEqual(lines.slice(3, 6), [
    'SERVICE              MODE     CONTRACT         WHO MAY CALL',
    'storage/files.Store  byte     files.Store@1.2  web (rule 1), worker (rule 3)',
    'storage/log          message  a plain stream   only the operator',
  ])
})

test('why a pipe is no ring, and why its ring is not from end to end, as much as fits', () => {
  const counts = { bytesToService: 1, bytesToCaller: 2 }
  const pipes = [
    { caller: 'a', pipe: 's/x', medium: 'stream', noRings: 'BUSY: 64 channels are going over to rings', ...counts },
    { caller: 'b', pipe: 's/x', medium: 'ring', notDirect: `UNAVAILABLE: ${'w'.repeat(100)}`, ...counts },
    { caller: 'c', pipe: 's/x', medium: 'stream', ...counts },
    { caller: 'd', pipe: 's/x', medium: 'ring' },
  ]
  const bus = { ...report.bus, offers: [], pipes }
  assert.deepEqual(reportTables({ ...report, bus, rings: 'UNAVAILABLE: rings are turned off' }).slice(3), [
    'PIPE      MEDIUM  TO SERVICE  TO CALLER  WHY',
    'a -> s/x  stream  1 B         2 B        BUSY: 64 channels are going over to rings',
    `b -> s/x  ring    1 B         2 B        UNAVAILABLE: ${'w'.repeat(46)}…`,
    'c -> s/x  stream  1 B         2 B        UNAVAILABLE: rings are turned off',
    'd -> s/x  ring    -           -',
  ])
  assert.equal(reportTables({ ...report, bus, rings: 'available' })[6], 'c -> s/x  stream  1 B         2 B')
})
