import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import type { ByteLink } from '../../link/index.ts'

/** Two joined links to try, and how to get rid of what is under them. */
export interface LinkPair<Link extends ByteLink = ByteLink> {
  readonly a: Link
  readonly b: Link
  /** Releases the medium. The links may be open, ended or closed by then. */
  dispose(): Promise<void>
}

/** What a medium can and cannot do; everything else in the contract every link must do. */
export interface LinkTraits {
  /**
   * What the peer of `close(reason)` sees. `code`: the same code. `broken` (the default): `RESET`, `LINK_LOST` or the same code. `end`: the
   * medium cannot tell a close from an end (a Unix socket with nothing unread), and writes fail afterwards.
   */
  readonly peerSees?: 'code' | 'broken' | 'end'
  /** Reads may be issued before the last one settled, and are answered in order: what a pipe adds to the contract. */
  readonly queuesReads?: boolean
  /** Most `bytes` that may be written before the writer has to wait while nobody reads. Default 4 MiB. */
  readonly maxInFlight?: number
  /** Longest chunk the checks write, `bytes`. Default 64 KiB; for message links the longest message when that is less. */
  readonly maxChunk?: number
  /** `bytes` of the longest transfer. Default 8 MiB. */
  readonly bulk?: number
  /** Lets the world go on for one macrotask, wherever the link's parts run. Default `setImmediate`. */
  readonly turn?: () => Promise<void>
  /** Gives up waiting for a promise after this many turns, and fails the check; by default it waits for the test's own timeout. */
  readonly patience?: number
}

/** What a check works with: one fresh pair, the traits with their defaults, and ways to wait that cannot hang. */
export class Probe<Link extends ByteLink = ByteLink> {
  readonly a: Link
  readonly b: Link
  readonly peerSees: 'code' | 'broken' | 'end'
  readonly queuesReads: boolean
  readonly maxInFlight: number
  readonly maxChunk: number
  readonly bulk: number
  readonly #turn: () => Promise<void>
  readonly #patience: number | undefined

  constructor(a: Link, b: Link, traits: LinkTraits) {
    this.a = a
    this.b = b
    this.peerSees = traits.peerSees ?? 'broken'
    this.queuesReads = traits.queuesReads ?? false
    this.maxInFlight = traits.maxInFlight ?? 4_194_304
    this.maxChunk = traits.maxChunk ?? 65_536
    this.bulk = traits.bulk ?? 8_388_608
    this.#turn = traits.turn ?? macrotask
    this.#patience = traits.patience
  }

  /** Runs `count` macrotasks of the world. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#turn()
  }

  /** `promise`, or a failure when the patience runs out. */
  async within<T>(promise: T | Promise<T>, what: string): Promise<T> {
    const patience = this.#patience
    if (patience === undefined || !(promise instanceof Promise)) return promise
    let settled = false
    const seen = (): void => {
      settled = true
    }
    promise.then(seen, seen)
    for (let i = 0; i < patience && !settled; i++) await this.#turn()
    if (!settled) assert.fail(`${what} never settled`)
    return promise
  }

  /** Fails if `promise` settles within some turns. */
  async staysPending(promise: Promise<unknown>, what: string): Promise<void> {
    let how: string | undefined
    promise.then(
      () => {
        how = 'was fulfilled'
      },
      () => {
        how = 'was rejected'
      },
    )
    await this.turns(30)
    assert.equal(how, undefined, `${what} should still be pending and ${how}`)
  }

  /** Fails unless `promise` rejects with a `BusbarError` of one of the codes; returns it. */
  async rejects(promise: unknown, codes: readonly ErrorCode[], what: string): Promise<BusbarError> {
    assert.ok(promise instanceof Promise, `${what} should be a promise that rejects`)
    let value: unknown
    try {
      value = await this.within(promise, what)
    } catch (thrown) {
      if (thrown instanceof assert.AssertionError) throw thrown
      assert.ok(thrown instanceof BusbarError, `${what} should reject with a BusbarError, got ${String(thrown)}`)
      assert.ok(codes.includes(thrown.code), `${what} should reject with ${codes.join(' or ')}, got ${thrown.code}`)
      return thrown
    }
    assert.fail(`${what} should reject with ${codes.join(' or ')} and gave ${String(value)}`)
  }

  /** Writes and waits for room. */
  async write(link: ByteLink, chunk: Uint8Array): Promise<void> {
    await this.within(link.write(chunk), 'write')
  }

  /** Sends `bytes` from one side and reads them on the other. */
  async transfer(from: ByteLink, to: ByteLink, bytes: Uint8Array, what: string): Promise<void> {
    const [got] = await Promise.all([this.exactly(to, bytes.length), this.write(from, bytes)])
    sameBytes(got, bytes, what)
  }

  /** One read that must give bytes. */
  async chunk(link: ByteLink): Promise<Uint8Array> {
    const chunk = await this.within(link.read(), 'read')
    assert.ok(chunk instanceof Uint8Array, 'read should give bytes and gave the end')
    assert.ok(chunk.length > 0, 'read gave an empty chunk')
    return chunk
  }

  /** Reads exactly `length` bytes; fails when the chunks do not end there. */
  async exactly(link: ByteLink, length: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (let got = 0; got < length; ) {
      const chunk = await this.chunk(link)
      chunks.push(chunk)
      got += chunk.length
    }
    return joined(chunks)
  }

  /** Reads to the end, keeping every chunk until then: memory that is used twice would show. */
  async toEnd(link: ByteLink): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (;;) {
      const chunk = await this.within(link.read(), 'read')
      if (chunk === undefined) return joined(chunks)
      assert.ok(chunk.length > 0, 'read gave an empty chunk')
      chunks.push(chunk)
    }
  }

  /** Writes until the link asks to wait; returns that promise and what was written. */
  async fill(link: ByteLink, seed: number): Promise<{ room: Promise<void>; written: Uint8Array[] }> {
    const written: Uint8Array[] = []
    for (let sent = 0; sent <= this.maxInFlight; ) {
      const chunk = pattern(Math.min(16_384, this.maxChunk), seed + written.length)
      written.push(chunk)
      sent += chunk.length
      let room = link.write(chunk)
      if (room instanceof Promise) {
        if (await this.#soon(room)) continue
        return { room, written }
      }
      room = undefined
    }
    assert.fail(`${this.maxInFlight} bytes were accepted while nobody read`)
  }

  /** Whether `room` is given within some turns: the medium below may take a little more. */
  async #soon(room: Promise<void>): Promise<boolean> {
    let given = false
    room.then(
      () => {
        given = true
      },
      () => {},
    )
    for (let i = 0; i < 30 && !given; i++) await this.#turn()
    return given
  }
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Bytes that differ at every place and for every seed. */
export function pattern(length: number, seed: number): Uint8Array {
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

/** Chunks as one array. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks))
}

/** Fails at the first byte that differs, and says where: a whole diff of megabytes would not help anybody. */
export function sameBytes(got: Uint8Array, sent: Uint8Array, what: string): void {
  assert.equal(got.length, sent.length, `${what}: the number of bytes`)
  if (Buffer.compare(got, sent) === 0) return
  assert.fail(`${what}: first difference at byte ${got.findIndex((byte, index) => byte !== sent[index])}`)
}
