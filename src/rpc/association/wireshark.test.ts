import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ByteLink, memoryPair } from '../../link/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { RpcAccess } from '../access.ts'
import { encodeBare } from '../pdu/header.ts'
import { RpcClient } from './client.ts'
import { bytes, ECHO, OBJECT, OTHER, serve, settle, TestEnv } from './harness.test.ts'

interface Segment {
  fromClient: boolean
  bytes: Uint8Array
}

const CLIENT_PORT = 49_200
const SERVER_PORT = 49_300
/** Longest payload of a captured packet, `bytes`: an IPv4 packet holds 65535. */
const MAX_PAYLOAD = 32_768

/** The same link, with what is written to it on record. */
function recording(link: ByteLink, fromClient: boolean, segments: Segment[]): ByteLink {
  return {
    closed: link.closed,
    read: () => link.read(),
    end: () => link.end(),
    close: (reason) => link.close(reason),
    write: (chunk) => {
      segments.push({ fromClient, bytes: chunk.slice() })
      return link.write(chunk)
    },
  }
}

/** A capture file of one TCP connection, link type "raw IP" (pcap, version 2.4). */
function pcap(segments: readonly Segment[]): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2_c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(0x4_0000, 16)
  head.writeUInt32LE(101, 20)
  const packets: Buffer[] = [head]
  const sequence = { client: 1, server: 1 }
  let microseconds = 0
  for (const { fromClient, bytes: all } of segments) {
    for (let from = 0; from < all.length; from += MAX_PAYLOAD) {
      const payload = all.subarray(from, from + MAX_PAYLOAD)
      const length = 40 + payload.length
      const packet = Buffer.alloc(16 + length)
      packet.writeUInt32LE(1_700_000_000, 0)
      packet.writeUInt32LE((microseconds += 10), 4)
      packet.writeUInt32LE(length, 8)
      packet.writeUInt32LE(length, 12)
      const ip = packet.subarray(16)
      ip.set([0x45, 0, length >> 8, length & 0xff, 0, 0, 0x40, 0, 64, 6])
      ip.set(fromClient ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1], 12)
      ip.writeUInt16BE(fromClient ? CLIENT_PORT : SERVER_PORT, 20)
      ip.writeUInt16BE(fromClient ? SERVER_PORT : CLIENT_PORT, 22)
      ip.writeUInt32BE(fromClient ? sequence.client : sequence.server, 24)
      ip.writeUInt32BE(fromClient ? sequence.server : sequence.client, 28)
      ip.set([0x50, 0x18, 0xff, 0xff], 32)
      ip.set(payload, 40)
      packets.push(packet)
      if (fromClient) sequence.client += payload.length
      else sequence.server += payload.length
    }
  }
  return Buffer.concat(packets)
}

/** One exchange with every PDU that a client and a server say to each other. */
async function exchange(): Promise<Segment[]> {
  const segments: Segment[] = []
  const env = new TestEnv()
  const [mine, theirs] = memoryPair()
  const { echo, server } = serve(env, recording(theirs, false, segments))
  const limits = { fragment: 4_096, cancelGrace: 10 }
  const client = new RpcClient(new RpcAccess(recording(mine, true, segments)), { env, limits })
  const context = await client.bind(ECHO)
  const other = await client.bind(OTHER)
  await assert.rejects(client.bind({ ...ECHO, major: 9 }), { code: 'NO_SUCH_INTERFACE' })
  await client.call(context, 0, bytes(100))
  await client.call(context, 3, bytes(0), { object: OBJECT })
  await client.call(other, 4, bytes(20_000))
  await Promise.all([1, 2, 3].map((size) => client.call(context, 4, bytes(size))))
  await assert.rejects(client.call(context, 77, bytes(8)), { code: 'NOT_IN_CONTRACT' })
  echo.failure = new BusbarError('DEADLINE', 'with a status of our own')
  await assert.rejects(client.call(context, 1, bytes(8)), { code: 'DEADLINE' })
  const controller = new AbortController()
  const cancelled = client.call(context, 2, bytes(8), { signal: controller.signal })
  await settle()
  controller.abort()
  await assert.rejects(cancelled, { code: 'CANCELLED' })
  env.advance(10)
  await settle()
  segments.push({ fromClient: false, bytes: encodeBare(17, 0) })
  client.close()
  await server.closed
  return segments
}

const present = spawnSync('tshark', ['--version']).error === undefined

test('Wireshark reads every byte of an exchange', {
  skip: present || process.env.CI !== undefined ? false : 'tshark is not installed',
}, async () => {
  assert.ok(present, 'tshark is required where CI is set: apt-get install tshark')
  const folder = mkdtempSync(join(tmpdir(), 'busbar-rpc-'))
  try {
    const file = join(folder, 'exchange.pcap')
    writeFileSync(file, pcap(await exchange()))
    const run = (...args: string[]): string =>
      execFileSync('tshark', ['-r', file, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 28,
      })
    const text = run('-V')
    for (const bad of [/malformed/i, /unreassembled/i, /\[Expert Info \((Error|Warning)/])
      assert.doesNotMatch(text, bad)
    for (const name of [
      'Bind',
      'Bind_ack',
      'Alter_context',
      'Alter_context_resp',
      'Request',
      'Response',
      'Fault',
      'Shutdown',
      'Co_cancel',
      'Orphaned',
    ]) {
      assert.match(text, new RegExp(`Packet type: ${name} \\(`, 'i'), name)
    }
    assert.match(text, /Object UUID[^\n]*a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f/)
    assert.match(text, /Provider rejection[\s\S]*Abstract syntax not supported/i)
    assert.match(text, /Negotiate ACK/i)
    assert.match(text, /op_rng_error/)
    const requests = run('-Y', 'dcerpc.pkt_type == 0', '-T', 'fields', '-e', 'dcerpc.cn_call_id', '-e', 'dcerpc.opnum')
    const calls = requests
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [ids = '', opnums = ''] = line.split('\t')
        const opnum = opnums.split(',')
        return ids.split(',').map((id, i) => `${id}:${opnum[i]}`)
      })
    for (const call of ['4:0', '5:3', '6:4', '7:4', '8:4', '9:4', '10:77', '11:1', '12:2'])
      assert.ok(calls.includes(call), `${call} in ${calls.join(' ')}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
