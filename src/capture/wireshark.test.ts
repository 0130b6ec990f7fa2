/** The judge of a capture is Wireshark: what it makes of the file is what counts. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import { fileOf, inPackets, newCapture, PIPE } from './harness.test.ts'
import type { Capture, CapturedPipe } from './index.ts'

const present = spawnSync('tshark', ['--version']).error === undefined

/** An RPC shutdown: the shortest PDU there is, which Wireshark knows by its 16 bytes. */
const SHUTDOWN = Buffer.from('05001103100000001000000000000000', 'hex')

describe('Wireshark', {
  skip: present || process.env['CI'] !== undefined ? false : 'tshark is not installed',
}, () => {
  let folder: string
  before(() => {
    assert.ok(present, 'tshark is required where CI is set: apt-get install tshark')
    folder = mkdtempSync(join(tmpdir(), 'busbar-capture-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Finishes a capture and gives what tshark prints of it. */
  async function judge(made: Capture): Promise<(...args: string[]) => string> {
    made.finish()
    const file = join(folder, 'capture.pcapng')
    writeFileSync(file, await fileOf(made))
    return (...args) =>
      execFileSync('tshark', ['-r', file, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 28,
      })
  }

  /** The payload segments of one direction. */
  function payloads(tshark: (...args: string[]) => string, fromCaller: boolean): Buffer[] {
    const port = fromCaller ? 'tcp.srcport' : 'tcp.dstport'
    const text = tshark('-Y', `${port} >= 58000 && tcp.len > 0`, '-T', 'fields', '-e', 'tcp.payload')
    return text.split('\n').flatMap((line) => (line === '' ? [] : [Buffer.from(line, 'hex')]))
  }

  test('a pipe is a connection from SYN to FIN with nothing wrong, and partitions have names', async () => {
    const made = newCapture()
    const tap = made.opened(PIPE)
    tap?.bytes(true, Buffer.alloc(200_000, 'up'))
    tap?.bytes(false, Buffer.from('down'))
    tap?.ended(true)
    tap?.bytes(false, Buffer.alloc(3_000_000, 'more'))
    tap?.ended(false)
    tap?.closed(undefined)
    const { packets } = made.counts
    assert.deepEqual(made.counts, { pipes: 1, packets, bytes: 3_200_004, dropped: 0, droppedBytes: 0 })
    const tshark = await judge(made)
    const flags = tshark('-T', 'fields', '-e', 'tcp.flags.str').replaceAll('·', '').trimEnd().split('\n')
    assert.equal(flags.length, packets)
    assert.deepEqual(flags.slice(0, 3), ['S', 'AS', 'A'])
    assert.deepEqual(flags.slice(-2), ['AF', 'A'])
    const text = tshark('-V', '-o', 'ip.check_checksum:TRUE')
    assert.doesNotMatch(text, /malformed|Expert Info \((?:Error|Warn)|retransmission|duplicate/i)
    assert.match(text, /Header checksum status: Good/)
    assert.match(text, /Conversation completeness: Complete, WITH_DATA/)
    assert.match(text, /web \(epoch 2\) opened storage\/postgres, byte mode/)
    const names = tshark('-N', 'n', '-c', '1', '-T', 'fields', '-e', 'ip.src_host', '-e', 'ip.dst_host')
    assert.equal(names.trim(), 'web\tstorage')
    assert.equal(Buffer.concat(payloads(tshark, true)).toString(), 'up'.repeat(100_000))
    assert.equal(Buffer.concat(payloads(tshark, false)).length, 3_000_004)
  })

  test('the same names have the same addresses in every capture', async () => {
    const addresses = async (order: readonly CapturedPipe[]): Promise<string[]> => {
      const made = newCapture()
      for (const pipe of order) made.opened(pipe)
      const tshark = await judge(made)
      const fields = ['ip.src', 'ip.dst', 'tcp.dstport'].flatMap((field) => ['-e', field])
      return tshark('-Y', 'tcp.flags.ack == 0', '-T', 'fields', ...fields)
        .trimEnd()
        .split('\n')
        .toSorted()
    }
    const other = { ...PIPE, caller: 'mail', service: 'echo' }
    const forth = await addresses([PIPE, other])
    assert.deepEqual(await addresses([other, PIPE]), forth)
    assert.equal(new Set(forth).size, 2)
  })

  test('a pipe that breaks is reset, with the reason as it may be printed', async () => {
    const made = newCapture()
    made.opened(PIPE)?.closed(new BusbarError('PEER_DIED', 'partition "storage" is gone\u001b[31m'))
    const text = (await judge(made))('-V', '-Y', 'tcp.flags.reset == 1')
    assert.match(text, /PEER_DIED: partition "storage" is gone\\u\{1b\}\[31m/)
  })

  test('each message is a segment of its own, without the headers of its pipe', async () => {
    const made = newCapture()
    const tap = made.opened({ ...PIPE, mode: 'message' })
    const stream = inPackets(Buffer.from('first'), Buffer.from('second'), Buffer.alloc(65_528, 'long'))
    for (let at = 0; at < stream.length; at += 5) tap?.bytes(true, stream.subarray(at, at + 5))
    const tshark = await judge(made)
    const sent = Buffer.concat(payloads(tshark, true)).toString()
    assert.equal(sent, `firstsecond${'long'.repeat(16_382)}`)
    const ends = tshark('-Y', 'tcp.flags.push == 1', '-T', 'fields', '-e', 'tcp.nxtseq').trim().split('\n')
    assert.deepEqual(ends, ['6', '12', `${12 + 65_528}`])
  })

  test('what travels in packets is shown without them, from wherever the capture begins', async () => {
    const bytes = Buffer.from('0123456789'.repeat(20))
    const stream = inPackets(bytes.subarray(0, 50), bytes.subarray(50, 51), bytes.subarray(51))
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 60 }), async (seen, step) => {
        const made = newCapture()
        const packets = { toService: 50 - seen, toCaller: 0 }
        const tap = made.opened({ ...PIPE, joinedLate: true, packets })
        for (let at = 8 + seen; at < stream.length; at += step) tap?.bytes(true, stream.subarray(at, at + step))
        assert.equal(Buffer.concat(payloads(await judge(made), true)).toString(), bytes.toString().slice(seen))
      }),
      { numRuns: 8, seed: 7, examples: [[50, 1]] },
    )
  })

  test('RPC is recognised however it is cut', async () => {
    for (let cut = 1; cut < SHUTDOWN.length; cut++) {
      const made = newCapture()
      const tap = made.opened(PIPE)
      tap?.bytes(false, SHUTDOWN)
      tap?.bytes(false, SHUTDOWN.subarray(0, cut))
      tap?.bytes(false, SHUTDOWN.subarray(cut))
      tap?.ended(false)
      const found = (await judge(made))('-Y', 'dcerpc', '-T', 'fields', '-e', 'dcerpc.pkt_type').trim()
      assert.equal(found, '17\n17', `cut behind byte ${cut}`)
    }
  })

  test('what a slow reader misses is counted, and the file says where', async () => {
    const made = newCapture({ limits: { queue: 100_000 } })
    const tap = made.opened(PIPE)
    for (let i = 0; i < 10; i++) tap?.bytes(true, Buffer.alloc(30_000, `${i}`))
    const { dropped, droppedBytes } = made.counts
    assert.ok(dropped > 0)
    assert.equal(droppedBytes, dropped * 30_000)
    const begun = [await made.read()]
    tap?.bytes(true, Buffer.from('after'))
    assert.equal(made.counts.dropped, dropped)
    const rest = made.read
    made.read = () => begun.shift() ?? rest.call(made)
    const tshark = await judge(made)
    const text = tshark('-V')
    assert.match(text, new RegExp(`${dropped} packets with ${droppedBytes} bytes are missing before this one`))
    assert.match(text, /Previous segment\(s\) not captured/)
    assert.equal(payloads(tshark, true).at(-1)?.toString(), 'after')
  })
})
