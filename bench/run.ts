/**
 * `npm run bench`: every case beside its baseline of the same run, as ratios. Measures the built library (`npm run build`),
 * as its users run it: loading sources through tsx doubled what the receiving process needed for a bulk stream.
 * `-- --json FILE` writes the rows too, `-- --repeat N` says how often (median and spread), `-- CASE` picks cases,
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
import { manyChannels } from './many-channels.ts'
import { payloadSweep } from './payload-sweep.ts'
import { ringPeers } from './ring-peers.ts'
import { ringCalls, ringIdle, ringMessages, ringPipe } from './rings.ts'
import { callSocket, callSocketUnderBulk, heapMillionCalls, uploadSocket } from './rpc-socket.ts'
import type { Row } from './rows.ts'
import { vmRings } from './vm-rings.ts'
import { workers } from './workers.ts'
import { PEERS, type PeerName } from './stacks/index.ts'

const CASES: Readonly<Record<string, (repetitions: number, peers: PeerName[]) => Promise<Row[]>>> = {
  'pipe-broker': pipeBroker,
  'call-broker': callBroker,
  'call-under-bulk': callUnderBulk,
  'slow-reader': slowReader,
  'ring-call': ringCalls,
  'ring-pipe': ringPipe,
  'ring-messages': ringMessages,
  'ring-idle': ringIdle,
  worker: workers,
  'many-channels': manyChannels,
  'vm-rings': vmRings,
  'call-socket': callSocket,
  'upload-socket': uploadSocket,
  'call-socket-under-bulk': callSocketUnderBulk,
  'heap-million-calls': heapMillionCalls,
  'hostile-victim': hostileVictim,
  'component-call': componentCall,
  references,
  'stream-bytes': streamBytes,
  'pipelined-5': pipelined,
  'payload-sweep': payloadSweep,
  'ring-peers': ringPeers,
  demo,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, repeat: { type: 'string', default: '5' }, against: { type: 'string' } },
})
const repetitions = Number(values.repeat)
const against = values.against?.split(',')
const peers = PEERS.filter((peer) => against?.includes(peer) ?? true)
const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.version}`
console.log(`${machine}, ${new Date().toISOString().slice(0, 10)}, ${repetitions} repetitions\n`)
console.log('| case | value | baseline | ratio | asked | lowest and highest ratio |')
console.log('| --- | --- | --- | --- | --- | --- |')

const rows: Row[] = []
for (const [name, run] of Object.entries(CASES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
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
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
process.exit(0)
