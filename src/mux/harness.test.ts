import assert from 'node:assert/strict'
import { setImmediate as macrotask } from 'node:timers/promises'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { type ByteLink, type MemoryLink, memoryPair } from '../link/index.ts'
import { StillEnv } from '../testing/index.ts'
import { type MuxOptions, MuxSession, type MuxStream } from './index.ts'

/** Time that stands still until it is moved, and randomness that is always the same byte. */
export class TestEnv extends StillEnv {
  override random(into: Uint8Array): Uint8Array {
    return into.fill(0x77)
  }
}

/** Lets everything that is ready run, some macrotasks long. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await macrotask()
}

/** Bytes that differ at every place and for every seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (seed * 0x9e37_79b9 + 0x7f4a_7c15) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export function same(got: Uint8Array, sent: Uint8Array): void {
  assert.equal(got.length, sent.length)
  assert.equal(Buffer.compare(got, sent), 0)
}

export async function readAll(link: ByteLink): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (;;) {
    const chunk = await link.read()
    if (chunk === undefined) return new Uint8Array(Buffer.concat(chunks))
    assert.ok(chunk.length > 0)
    chunks.push(chunk)
  }
}

export async function readExactly(link: ByteLink, length: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let got = 0; got < length; ) {
    const chunk = await link.read()
    assert.ok(chunk !== undefined, `ended after ${got} of ${length} bytes`)
    got += chunk.length
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

export async function writeAll(link: ByteLink, bytes: Uint8Array, piece = 65_536): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) await link.write(bytes.subarray(at, at + piece))
}

/** Reads and forgets, until the link is over in any way. */
export async function drain(link: ByteLink): Promise<void> {
  try {
    while ((await link.read()) !== undefined);
  } catch (thrown) {
    assert.ok(thrown instanceof BusbarError)
  }
}

export async function failsWith(promise: unknown, code: ErrorCode): Promise<BusbarError> {
  assert.ok(promise instanceof Promise, 'a promise that rejects')
  try {
    await promise
  } catch (thrown) {
    assert.ok(thrown instanceof BusbarError, String(thrown))
    assert.equal(thrown.code, code, thrown.message)
    return thrown
  }
  return assert.fail(`expected ${code}`)
}

export interface Pair {
  readonly client: MuxSession
  readonly server: MuxSession
  readonly links: readonly [MemoryLink, MemoryLink]
  readonly env: TestEnv
  /** Streams that the server accepted, in order. */
  readonly accepted: MuxStream[]
}

/** Two sessions over a memory pair. */
export function sessionPair(
  options: { client?: Partial<MuxOptions>; server?: Partial<MuxOptions>; window?: number } = {},
): Pair {
  const env = new TestEnv()
  const links = memoryPair(options.window)
  const accepted: MuxStream[] = []
  const client = new MuxSession(links[0], { role: 'client', env, ...options.client })
  const onStream = (stream: MuxStream): void => {
    accepted.push(stream)
  }
  const server = new MuxSession(links[1], { role: 'server', env, onStream, ...options.server })
  return { client, server, links, env, accepted }
}

/** Both sessions close in order and leave nothing behind. */
export async function closesClean({ client, server, env }: Pair): Promise<void> {
  client.close()
  await Promise.all([client.closed, server.closed])
  await turns()
  for (const session of [client, server]) {
    const { state, streams, control, unsettled, windowBudget, pings } = session.inspect()
    assert.deepEqual(
      { state, streams, control, unsettled, windowBudget, pings },
      { state: 'over', streams: [], control: 0, unsettled: 0, windowBudget: 8_388_608, pings: 0 },
    )
  }
  assert.equal(env.timers, 0)
}

/** A header as hex, made the slow way: independent of the codec under test. */
export function header(type: number, flags: number, id: number, length: number, version = 0): string {
  const hex = (value: number, bytes: number): string => value.toString(16).padStart(bytes * 2, '0')
  return hex(version, 1) + hex(type, 1) + hex(flags, 2) + hex(id, 4) + hex(length, 4)
}

export interface SlowFrame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly length: number
  readonly payload: string
}

/** The slow twin of the decoder: whole frames out of whole bytes. */
export function slowDecode(bytes: Uint8Array): SlowFrame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames: SlowFrame[] = []
  for (let at = 0; at < bytes.length; ) {
    assert.ok(at + 12 <= bytes.length, 'a whole header')
    assert.equal(view.getUint8(at), 0, 'version')
    const type = view.getUint8(at + 1)
    const length = view.getUint32(at + 8)
    const body = type === 0 ? length : 0
    assert.ok(at + 12 + body <= bytes.length, 'a whole payload')
    const payload = Buffer.from(bytes.subarray(at + 12, at + 12 + body)).toString('hex')
    frames.push({ type, flags: view.getUint16(at + 2), id: view.getUint32(at + 4), length, payload })
    at += 12 + body
  }
  return frames
}

/** A session whose peer is the test itself: bytes in as hex, bytes out as hex. */
export class Peer {
  readonly env = new TestEnv()
  readonly session: MuxSession
  readonly link: MemoryLink
  /** Streams that the session accepted, in order. */
  readonly accepted: MuxStream[] = []
  /** How the session's link ended for the peer: `end`, or the code. */
  ending: string | undefined
  #received: Uint8Array[] = []

  constructor(options: Partial<MuxOptions> = {}, reading = true) {
    const [near, far] = memoryPair()
    this.link = far
    const onStream = (stream: MuxStream): void => {
      this.accepted.push(stream)
    }
    this.session = new MuxSession(near, { role: 'server', env: this.env, onStream, ...options })
    if (reading) void this.#read()
  }

  async #read(): Promise<void> {
    try {
      for (let chunk = await this.link.read(); chunk !== undefined; chunk = await this.link.read()) {
        this.#received.push(chunk)
      }
      this.ending = 'end'
    } catch (thrown) {
      this.ending = BusbarError.from(thrown).code
    }
  }

  /** Sends hex, each argument as one chunk, and lets the session work. */
  async send(...chunks: string[]): Promise<void> {
    for (const hex of chunks) void this.link.write(new Uint8Array(Buffer.from(hex, 'hex')))
    await turns()
  }

  /** What the session sent since the last call, as hex. */
  async sent(): Promise<string> {
    await turns()
    return Buffer.concat(this.#received.splice(0)).toString('hex')
  }

  /** The same as frames. */
  async frames(): Promise<SlowFrame[]> {
    return slowDecode(Buffer.from(await this.sent(), 'hex'))
  }
}

export const TYPE = { DATA: 0, WINDOW: 1, PING: 2, GO_AWAY: 3 } as const
export const FLAG = { NONE: 0, SYN: 1, ACK: 2, FIN: 4, RST: 8 } as const
