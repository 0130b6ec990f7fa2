/**
 * `npm run bench`: every case beside its baseline of the same run, as ratios. Measures the built library (`npm run build`),
 * as its users run it: loading sources through tsx doubled what the receiving process needed for a bulk stream.
 * `-- --json FILE` writes the rows too, `-- --repeat N` says how often (median and spread), `-- CASE` picks cases, or the case of a row,
 * `-- --against grpc-js,capnweb` says which peers the cases over one socket are run beside (all of them).
 */
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { pipeBroker } from './bulk.ts'
import { callBroker, callUnderBulk } from './calls.ts'
import { demo } from './demo.ts'
import { hostileVictim } from './hostile-victim.ts'
import { slowReader } from './memory.ts'
import { componentCall, pipelined, references, streamBytes } from './objects.ts'
import { drawObjects } from './objects-chart.ts'
import { manyChannels } from './many-channels.ts'
import { payloadSweep } from './payload-sweep.ts'
import { ringPeers } from './ring-peers.ts'
import { ringCalls, ringIdle, ringMessages, ringPipe } from './rings.ts'
import { callSocket, callSocketUnderBulk, heapMillionCalls, uploadSocket } from './rpc-socket.ts'
import type { Row } from './rows.ts'
import { vmRings } from './vm-rings.ts'
import { workers } from './workers.ts'
import { PEERS, type PeerName } from './stacks/index.ts'

interface Case {
  readonly run: (repetitions: number, peers: PeerName[]) => Promise<Row[]>
  /** Rows that it gives, by whose names it is picked as well. Those of peers have the peer's name in front. */
  readonly rows: readonly string[]
}

const CASES: Readonly<Record<string, Case>> = {
  'pipe-broker': { run: pipeBroker, rows: ['pipe-broker', 'pipe-broker-read'] },
  'call-broker': { run: callBroker, rows: ['call-broker-p50', 'call-broker-64'] },
  'call-under-bulk': { run: callUnderBulk, rows: ['call-under-bulk-p50'] },
  'slow-reader': { run: slowReader, rows: ['slow-reader-rss-broker', 'slow-reader-rss-writer'] },
  'ring-call': {
    run: ringCalls,
    rows: [
      'ring-call-p50',
      'ring-call-p99',
      'ring-call-64',
      'ring-component-call-64',
      'ring-call-64-doorbells',
      'ring-call-doorbell-p50',
    ],
  },
  'ring-pipe': {
    run: ringPipe,
    rows: [
      'ring-pipe-into',
      'ring-pipe-into-to-copy',
      'ring-pipe-duplex',
      'ring-upload-1m',
      'ring-upload-1m-recycling',
      'ring-upload-1m-to-upload',
      'ring-upload-1m-recycling-to-upload',
    ],
  },
  'ring-messages': { run: ringMessages, rows: ['ring-messages'] },
  'ring-idle': { run: ringIdle, rows: ['ring-idle'] },
  worker: { run: workers, rows: ['worker-call-p50', 'worker-call-64', 'worker-messages', 'worker-pipe'] },
  'many-channels': { run: manyChannels, rows: ['many-channels-p50', 'many-channels-memory'] },
  'vm-rings': {
    run: vmRings,
    rows: [
      'vm-ring-call-p50',
      'vm-ring-call-p99',
      'vm-ring-pipe',
      'vm-region-call-p50',
      'vm-region-call-p99',
      'vm-region-pipe',
    ],
  },
  'call-socket': {
    run: callSocket,
    rows: ['call-socket-p50', 'p50', 'call-socket-64', '64', 'call-socket-64-to-capnweb', 'call-socket-64-to-grpc-js'],
  },
  'upload-socket': { run: uploadSocket, rows: ['upload-1m'] },
  'call-socket-under-bulk': { run: callSocketUnderBulk, rows: ['call-socket-under-bulk-p50', 'under-bulk-p50'] },
  'heap-million-calls': { run: heapMillionCalls, rows: ['heap-million-calls', 'heap-million-calls-server'] },
  'hostile-victim': { run: hostileVictim, rows: [] },
  'component-call': { run: componentCall, rows: ['component-call-p50'] },
  references: { run: references, rows: ['refs-per-second', 'refs-per-second-released'] },
  'stream-bytes': { run: streamBytes, rows: ['stream-bytes'] },
  'pipelined-5': { run: pipelined, rows: ['pipelined-5'] },
  'payload-sweep': { run: payloadSweep, rows: [] },
  'ring-peers': { run: ringPeers, rows: [] },
  demo: { run: demo, rows: ['demo-process', 'demo-qemu', 'demo-qemu-up'] },
}

/** The case that a word of the command line means: its own name, or that of one of its rows. */
function caseOf(word: string): string | undefined {
  const peer = PEERS.find((name) => word.startsWith(`${name}-`))
  const row = peer === undefined ? word : word.slice(peer.length + 1)
  if (word in CASES) return word
  return Object.keys(CASES).find((name) => CASES[name]?.rows.includes(row))
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, repeat: { type: 'string', default: '5' }, against: { type: 'string' } },
})
const repetitions = Number(values.repeat)
const unknown = positionals.filter((word) => caseOf(word) === undefined)
if (unknown.length > 0) {
  console.error(`no case and no row is called ${unknown.join(', ')}; cases: ${Object.keys(CASES).join(', ')}`)
  process.exit(2)
}
const picked = new Set(positionals.map(caseOf))
const against = values.against?.split(',')
const peers = PEERS.filter((peer) => against?.includes(peer) ?? true)
const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.version}`
console.log(`${machine}, ${new Date().toISOString().slice(0, 10)}, ${repetitions} repetitions\n`)
console.log('| case | value | baseline | ratio | asked | lowest and highest ratio |')
console.log('| --- | --- | --- | --- | --- | --- |')

const rows: Row[] = []
for (const [name, { run }] of Object.entries(CASES)) {
  if (picked.size > 0 && !picked.has(name)) continue
  for (const row of await run(repetitions, peers)) {
    rows.push(row)
    if (row.missing !== undefined) {
      console.log(`| ${row.case} | not measured: ${row.missing} | | | | |`)
      continue
    }
    const spread = row.spread?.map((ratio) => ratio.toFixed(2)).join(' to ') ?? ''
    const of = (value: number): string => `${value >= 100 ? Math.round(value) : value.toFixed(2)} ${row.unit}`
    console.log(
      `| ${row.case} | ${of(row.value)} | ${of(row.baseline)} | ${row.ratio < 0.1 ? row.ratio.toPrecision(1) : row.ratio.toFixed(2)} | ${row.target ?? ''} | ${spread} |`,
    )
  }
}
drawObjects(rows, machine)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
process.exit(0)
