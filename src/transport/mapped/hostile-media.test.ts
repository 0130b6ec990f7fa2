/** What is granted to an end and is not what it should be: nothing of it stays mapped or open, and the stream goes on below. */
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { type ByteLink, memoryPair } from '../../link/index.ts'
import { CELLS, PAGE_BYTES } from '../../ring/index.ts'
import { descriptorsTo, mappedRings } from '../../testing/index.ts'
import { RingAllocator } from './allocator.ts'
import { type Check, KEY, type Mapped, soon } from './hostile-end.test.ts'
import { type Libc, loadLibc } from './libc.ts'
import { MAX_RING_BYTES } from './limits.ts'
import type { RingGrant } from './medium.ts'
import type { PlaceGrant } from './place-medium.ts'
import { RingPoller } from './poller.ts'
import { formatRegion, regionBytes } from './region.ts'
import type { RingStream } from './stream.ts'

const libc: Libc = await loadLibc()
/** Longest region that there is, `bytes`. */
const LARGEST = regionBytes(MAX_RING_BYTES)
const RING = 2 * PAGE_BYTES

function refused(run: () => unknown, code: ErrorCode, message: RegExp): void {
  assert.throws(run, (thrown) => thrown instanceof BusbarError && thrown.code === code && message.test(thrown.message))
}

/** A region whose head says what the caller wants. */
function region(length: number, ringBytes: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const head = new DataView(bytes.buffer)
  for (const [at, word] of [0x31_52_42_42, 1, ringBytes].entries()) head.setUint32(at * 4, word, true)
  bytes.set(KEY, 16)
  return bytes
}

/** Descriptors of this process that lead to memory, pipes or files of this test, and mappings of such memory. */
function held(): string[] {
  const places = descriptorsTo(/^\/memfd:busbar|^pipe:|busbar-media-/).values()
  return [...places, ...mappedRings().map(() => 'mapped')].toSorted()
}

/** A stream that was refused its rings goes on over the link; nothing is open that was not before. */
async function goesOn(stream: RingStream, far: ByteLink): Promise<void> {
  assert.equal(stream.medium, 'stream')
  await stream.write(new Uint8Array([1, 2, 3]))
  assert.deepEqual(await soon(far.read()), new Uint8Array([1, 2, 3]))
  stream.close()
}

/** An end is given memory of another process, changed by `change`. */
async function granted(
  { RingMedium, later }: Mapped,
  change: (grant: RingGrant) => RingGrant,
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const { grant, release } = new RingAllocator(libc, RING).allocate()
  const changed = change({ ...grant, side: 0 })
  const before = held()
  const [near, far] = memoryPair()
  const stream = new RingMedium(libc, new RingPoller(0)).wrap(near)
  later?.(() => stream.close())
  refused(() => stream.take(changed), code, message)
  assert.deepEqual(held(), before, 'what was opened is closed again')
  release()
  await goesOn(stream, far)
}

/** An end is given a place of memory that has room for one region and a page. */
async function placed(
  { PlaceMedium, later }: Mapped,
  change: (grant: PlaceGrant) => PlaceGrant,
  code: ErrorCode,
  message: RegExp,
  bytes: number = regionBytes(RING) + PAGE_BYTES,
): Promise<void> {
  const fd = libc.memory(bytes)
  try {
    const mapping = libc.map(fd, bytes)
    formatRegion(mapping.bytes.subarray(0, regionBytes(RING)), RING, KEY)
    mapping.release()
    const [near, far] = memoryPair()
    const medium = new PlaceMedium(libc, new RingPoller(0), (number) => `/proc/self/fd/${number}`)
    const stream = medium.wrap(near)
    later?.(() => stream.close())
    let released = 0
    const grant = change({ region: fd, offset: 0, length: regionBytes(RING), side: 0, key: KEY })
    const before = held()
    refused(() => stream.take(grant, { ring: () => {}, released: () => released++ }), code, message)
    assert.equal(released, 1, 'the place is given back once')
    assert.deepEqual(held(), before, 'what was opened is closed again')
    await goesOn(stream, far)
    assert.equal(released, 1)
  } finally {
    closeSync(fd)
  }
}

export const MEDIUM_CHECKS: readonly Check[] = [
  [
    'a region of each length and head that cannot be',
    async ({ openRegion }) => {
      for (const ringBytes of [PAGE_BYTES, RING, MAX_RING_BYTES]) {
        const [first, second] = openRegion(region(regionBytes(ringBytes), ringBytes), KEY)
        assert.deepEqual([first.dataBytes, second.dataBytes], [ringBytes, ringBytes])
        first.put(ringBytes - PAGE_BYTES, 1, 1)
        first.put(ringBytes - 8, 1, 1)
        assert.equal(second.load(CELLS.WRITE_INDEX), 0, 'the rings overlap')
      }
      for (const length of [0, 12, 31, PAGE_BYTES, regionBytes(PAGE_BYTES) - PAGE_BYTES, regionBytes(PAGE_BYTES) - 1]) {
        const bytes = region(regionBytes(PAGE_BYTES), PAGE_BYTES).subarray(0, length)
        refused(() => openRegion(bytes, KEY), 'MALFORMED', /no room for two rings/)
      }
      for (const ringBytes of [0, PAGE_BYTES + 8, PAGE_BYTES - 1, MAX_RING_BYTES + PAGE_BYTES, 0xffff_f000]) {
        const length = ringBytes < 2 * MAX_RING_BYTES ? regionBytes(ringBytes) : regionBytes(RING)
        const bytes = region(Math.max(length, regionBytes(PAGE_BYTES)), ringBytes)
        refused(() => openRegion(bytes, KEY), 'MALFORMED', /^a region with rings of/)
      }
      for (const more of [-PAGE_BYTES, -1, 1, PAGE_BYTES]) {
        refused(() => openRegion(region(regionBytes(RING) + more, RING), KEY), 'MALFORMED', /bytes for two rings of/)
      }
      for (const [at, code] of [
        [0, 'MALFORMED'],
        [4, 'VERSION'],
        ...Array.from({ length: 16 }, (_, byte) => [16 + byte, 'STALE_EPOCH'] as const),
      ] as const) {
        const bytes = region(regionBytes(RING), RING)
        bytes[at] = (bytes[at] as number) ^ 0x80
        refused(() => openRegion(bytes, KEY), code, /./)
      }
    },
  ],
  [
    'memory that is longer than any region',
    async (mapped) => {
      for (const bytes of [LARGEST + 1, LARGEST + PAGE_BYTES, LARGEST + 2 * PAGE_BYTES]) {
        const fd = libc.memory(bytes)
        await granted(mapped, (grant) => ({ ...grant, memory: fd }), 'MALFORMED', /^a region of \d+ bytes$/)
        closeSync(fd)
      }
      const fd = libc.memory(LARGEST)
      await granted(mapped, (grant) => ({ ...grant, memory: fd }), 'MALFORMED', /no region of rings/)
      closeSync(fd)
    },
  ],
  [
    'memory whose length others can change',
    async (mapped) => {
      const folder = mkdtempSync(join(tmpdir(), 'busbar-media-'))
      const path = join(folder, 'region')
      writeFileSync(path, region(regionBytes(RING), RING))
      const fd = openSync(path, 'r+')
      const change = (grant: RingGrant): RingGrant => ({ ...grant, memory: fd, key: KEY })
      try {
        await granted(mapped, change, 'MALFORMED', /length others can change/)
      } finally {
        closeSync(fd)
        rmSync(folder, { recursive: true })
      }
    },
  ],
  [
    'a doorbell that is no pipe, and another side than two',
    async (mapped) => {
      const bell = (grant: RingGrant): RingGrant => ({ ...grant, callerBell: grant.memory })
      await granted(mapped, bell, 'MALFORMED', /no pipe/)
      await granted(mapped, (grant) => ({ ...grant, serviceBell: grant.memory }), 'MALFORMED', /no pipe/)
      for (const side of [2, -1, 0.5]) {
        await granted(mapped, (grant) => ({ ...grant, side }), 'MALFORMED', /side .+ of two rings/)
      }
    },
  ],
  [
    'descriptors that cannot be opened, and the key of another channel',
    async (mapped) => {
      for (const what of ['memory', 'callerBell', 'serviceBell'] as const) {
        await granted(mapped, (grant) => ({ ...grant, [what]: 999_999 }), 'UNAVAILABLE', /./)
      }
      await granted(mapped, (grant) => ({ ...grant, key: KEY }), 'STALE_EPOCH', /./)
    },
  ],
  [
    'each side has its own ring',
    async ({ PlaceMedium, RingMedium, later }) => {
      for (const side of [0, 1]) {
        const { grant, release } = new RingAllocator(libc, RING).allocate()
        const fd = openSync(`/proc/self/fd/${grant.memory}`, 'r+')
        const mapping = libc.map(fd, regionBytes(RING))
        const indexes = (): boolean[] =>
          [0, 1].map((ring) => {
            const at = PAGE_BYTES + ring * (PAGE_BYTES + RING)
            return new DataView(mapping.bytes.buffer, at).getUint32(CELLS.WRITE_INDEX * 4, true) !== 0
          })
        const used = [0, 1].map((ring) => ring === side)
        const stream = new RingMedium(libc, new RingPoller(0)).wrap(memoryPair()[0])
        later?.(() => stream.close())
        stream.take({ ...grant, side })
        stream.raise()
        await stream.write(new Uint8Array(1))
        assert.deepEqual(indexes(), used)
        stream.close()
        mapping.bytes.fill(0)
        formatRegion(mapping.bytes, RING, KEY)
        const other = new PlaceMedium(libc, new RingPoller(0), () => `/proc/self/fd/${fd}`).wrap(memoryPair()[0])
        later?.(() => other.close())
        const signals = { ring: () => {}, released: () => {} }
        other.take({ region: 0, offset: 0, length: regionBytes(RING), side, key: KEY }, signals)
        other.raise()
        await other.write(new Uint8Array(1))
        assert.deepEqual(indexes(), used)
        other.close()
        mapping.release()
        closeSync(fd)
        release()
      }
    },
  ],
  [
    'a place outside of its memory, or longer than any',
    async (mapped) => {
      const size = regionBytes(RING) + PAGE_BYTES
      const outside: readonly (readonly [number, number])[] = [
        [0, size + PAGE_BYTES],
        [0, size + 1],
        [PAGE_BYTES, size],
        [8, regionBytes(RING)],
        [PAGE_BYTES / 2, regionBytes(RING)],
        [size + PAGE_BYTES, -PAGE_BYTES],
        [size + PAGE_BYTES, regionBytes(RING)],
        [0xffff_f000, regionBytes(RING)],
      ]
      for (const [offset, length] of outside) {
        await placed(mapped, (grant) => ({ ...grant, offset, length }), 'MALFORMED', /in a region of/)
      }
      const most = LARGEST + 2 * PAGE_BYTES
      for (const length of [LARGEST + 1, LARGEST + PAGE_BYTES, most]) {
        await placed(mapped, (grant) => ({ ...grant, length }), 'MALFORMED', /^a place of \d+ bytes$/, most)
      }
      await placed(mapped, (grant) => ({ ...grant, length: LARGEST }), 'MALFORMED', /bytes for two rings of/, most)
    },
  ],
  [
    'a place of another channel, that cannot be opened, or of another side than two',
    async (mapped) => {
      for (const side of [2, -1, 0.5]) {
        await placed(mapped, (grant) => ({ ...grant, side }), 'MALFORMED', /side .+ of two rings/)
      }
      await placed(mapped, (grant) => ({ ...grant, region: 999_999 }), 'UNAVAILABLE', /./)
      await placed(mapped, (grant) => ({ ...grant, key: new Uint8Array(16) }), 'STALE_EPOCH', /./)
      await placed(mapped, (grant) => ({ ...grant, offset: PAGE_BYTES }), 'MALFORMED', /no region of rings/)
    },
  ],
]
