import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import type { Awaitable, ByteLink, Env } from '../../link/index.ts'
import { SerialPort } from './port.ts'
import type { SerialSession } from './session.ts'
import { encodeHello, HELLO, MARKER } from './wire.ts'

/** A small seeded generator (xorshift32). */
class Random {
  #state: number
  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 1) >>> 0 || 1
  }
  below(max: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % max
  }
  fill(into: Uint8Array): Uint8Array {
    for (let i = 0; i < into.length; i++) into[i] = this.below(256)
    return into
  }
}

type Side = 'a' | 'b'
const other = (side: Side): Side => (side === 'a' ? 'b' : 'a')

/** What the port holds for each side: bytes survive whoever wrote them and whoever was to read them. */
class Wire {
  readonly held: Record<Side, number[]> = { a: [], b: [] }
}

/** The port as one process has it open. A killed process writes no further byte and gets none. */
class RawEnd implements ByteLink {
  readonly closed = new Promise<undefined>(() => {})
  readonly #wire: Wire
  readonly #side: Side
  readonly #random: Random
  /** Bytes that may still be written or read until the process is killed in the middle. */
  writesLeft = Number.POSITIVE_INFINITY
  readsLeft = Number.POSITIVE_INFINITY
  killed = false
  written = 0
  taken = 0
  #resolve: ((chunk: Uint8Array) => void) | undefined

  constructor(wire: Wire, side: Side, random: Random) {
    this.#wire = wire
    this.#side = side
    this.#random = random
  }

  read(): Awaitable<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.killed) return new Promise(() => {})
    const size = Math.min(chunk.length, this.writesLeft)
    this.#wire.held[other(this.#side)].push(...chunk.subarray(0, size))
    this.written += size
    this.writesLeft -= size
    if (this.writesLeft === 0) this.killed = true
    return this.killed ? new Promise(() => {}) : undefined
  }

  end(): Awaitable<void> {}

  close(): void {
    this.killed = true
  }

  /** Gives the process some of the bytes that wait for it. */
  deliver(): boolean {
    const held = this.#wire.held[this.#side]
    const resolve = this.#resolve
    if (resolve === undefined || held.length === 0 || this.killed) return false
    this.#resolve = undefined
    const size = Math.min(1 + this.#random.below(this.#random.below(3) === 0 ? 20 : 4000), this.readsLeft)
    const chunk = Uint8Array.from(held.splice(0, size))
    this.readsLeft -= chunk.length
    this.taken += chunk.length
    if (this.readsLeft === 0) this.killed = true
    else resolve(chunk)
    return true
  }
}

interface Log {
  sent: number[]
  got: number[]
}

/** One run of a program on one side: it accepts sessions, writes and reads, and keeps a log by epoch. */
class Process {
  readonly raw: RawEnd
  readonly port: SerialPort
  session: SerialSession | undefined
  readonly #log: Map<string, Log>
  #ended: SerialSession | undefined
  #timers: { run: () => void; live: boolean }[] = []

  constructor(wire: Wire, side: Side, random: Random, log: Map<string, Log>) {
    this.#log = log
    this.raw = new RawEnd(wire, side, random)
    const env: Env = {
      now: () => 0,
      timer: (_, run) => {
        const timer = { run, live: true }
        this.#timers.push(timer)
        return {
          cancel: () => {
            timer.live = false
          },
        }
      },
      random: (into) => random.fill(into),
      post: (run) => {
        setImmediate(run)
      },
    }
    this.port = new SerialPort(this.raw, { env })
    void this.#serve()
  }

  /** Time passes: every timer that is set fires once. */
  tick(): void {
    if (this.raw.killed) return
    for (const timer of this.#timers.splice(0)) if (timer.live) timer.run()
  }

  write(bytes: Uint8Array): void {
    const { session } = this
    if (session === undefined || session === this.#ended || this.raw.killed) return
    this.#entry(session.epoch).sent.push(...bytes)
    void session.write(bytes)
  }

  end(session = this.session): void {
    this.#ended = session
    void session?.end()
  }

  #entry(epoch: string): Log {
    const found = this.#log.get(epoch)
    if (found !== undefined) return found
    const entry = { sent: [], got: [] }
    this.#log.set(epoch, entry)
    return entry
  }

  async #serve(): Promise<void> {
    try {
      for (;;) {
        const session = await this.port.accept()
        this.session = session
        assert.ok(!this.#log.has(session.epoch), 'an epoch was used twice on one side')
        this.#entry(session.epoch)
        void this.#drain(session)
      }
    } catch (thrown) {
      assert.ok(thrown instanceof BusbarError)
    }
  }

  async #drain(session: SerialSession): Promise<void> {
    try {
      for (let chunk = await session.read(); chunk !== undefined; chunk = await session.read()) {
        if (!this.raw.killed) this.#entry(session.epoch).got.push(...chunk)
      }
      this.end(session)
    } catch (thrown) {
      assert.ok(thrown instanceof BusbarError)
    }
  }
}

class World {
  readonly random: Random
  readonly #wire = new Wire()
  readonly logs: Record<Side, Map<string, Log>> = { a: new Map(), b: new Map() }
  readonly side: Record<Side, Process>

  constructor(seed: number) {
    this.random = new Random(seed)
    this.side = { a: this.#start('a'), b: this.#start('b') }
  }

  restart(side: Side): void {
    this.side[side].raw.killed = true
    this.side[side] = this.#start(side)
  }

  #start(side: Side): Process {
    return new Process(this.#wire, side, this.random, this.logs[side])
  }

  /** Payloads made to be mistaken for something else. */
  payload(): Uint8Array {
    const { random } = this
    const parts: Uint8Array[] = []
    for (let i = 1 + random.below(3); i > 0; i--) {
      const kind = random.below(5)
      if (kind === 0) parts.push(MARKER)
      else if (kind === 1) parts.push(MARKER.subarray(0, 1 + random.below(15)))
      else if (kind === 2) parts.push(encodeHello({ kind: HELLO.SEEK, nonce: 'faked by a', echo: '' }))
      else if (kind === 3) parts.push(random.fill(new Uint8Array(random.below(1500))))
      else parts.push(random.fill(new Uint8Array(random.below(10))))
    }
    return Buffer.concat(parts)
  }

  check(): void {
    for (const side of ['a', 'b'] as const) {
      for (const [epoch, { got }] of this.logs[side]) {
        const sent = this.logs[other(side)].get(epoch)?.sent ?? []
        assert.ok(got.length <= sent.length, `${side} got ${got.length} bytes of ${sent.length} in ${epoch}`)
        const wrong = got.findIndex((byte, index) => byte !== sent[index])
        assert.equal(wrong, -1, `${side} got a wrong byte at ${wrong} in ${epoch}`)
      }
    }
  }

  /** No more faults: both sides must come to one session in which bytes pass both ways. */
  async settle(): Promise<void> {
    for (const side of ['a', 'b'] as const) if (this.side[side].raw.killed) this.restart(side)
    for (const side of ['a', 'b'] as const) {
      this.side[side].raw.writesLeft = Number.POSITIVE_INFINITY
      this.side[side].raw.readsLeft = Number.POSITIVE_INFINITY
    }
    for (let round = 0; round < 2000; round++) {
      await turn()
      const moved = [this.side.a.raw.deliver(), this.side.b.raw.deliver()]
      if (moved.includes(true)) continue
      await turn()
      const epoch = this.side.a.session?.epoch
      if (epoch !== undefined && epoch === this.side.b.session?.epoch) return this.#works(epoch)
      this.side.a.tick()
      this.side.b.tick()
    }
    assert.fail('no session was reached')
  }

  /** Nothing is under way and both are in one session: now every byte must arrive, whatever it looks like. */
  async #works(epoch: string): Promise<void> {
    for (let count = 0; count < 5; count++) {
      for (const side of ['a', 'b'] as const) this.side[side].write(this.payload())
      for (let round = 0; round < 2000; round++) {
        await turn()
        if (![this.side.a.raw.deliver(), this.side.b.raw.deliver()].includes(true)) break
      }
      await turn()
      for (const side of ['a', 'b'] as const) {
        const sent = this.logs[side].get(epoch)?.sent.length
        assert.equal(this.logs[other(side)].get(epoch)?.got.length, sent, `bytes that ${side} sent in a quiet session`)
      }
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Some seconds of ordinary life, with everything delivered as it comes. */
async function live(world: World, steps: number): Promise<void> {
  const sides = ['a', 'b'] as const
  for (let step = 0; step < steps; step++) {
    const side = sides[world.random.below(2)] as Side
    const what = world.random.below(10)
    if (what < 6) world.side[side].raw.deliver()
    else if (what < 8) world.side[side].write(world.payload())
    else if (what === 8) world.side[side].tick()
    await turn()
  }
}

describe('a serial port whose users are killed', () => {
  test('anywhere, by chance, hundreds of times', async () => {
    let sessions = 0
    let bytes = 0
    for (let seed = 1; seed <= 120; seed++) {
      const world = new World(seed)
      const { random } = world
      for (let fault = 0; fault < 6; fault++) {
        await live(world, 20 + random.below(100))
        const side: Side = random.below(2) === 0 ? 'a' : 'b'
        const kind = random.below(5)
        if (kind === 0) world.restart(side)
        else if (kind === 1) world.side[side].raw.writesLeft = 1 + random.below(200)
        else if (kind === 2) world.side[side].raw.readsLeft = 1 + random.below(200)
        else if (kind === 3) world.side[side].session?.close(new BusbarError('CANCELLED', 'by chance'))
        else world.side[side].end()
        if (random.below(2) === 0) await live(world, random.below(30))
        for (const each of ['a', 'b'] as const) if (world.side[each].raw.killed) world.restart(each)
        world.check()
      }
      try {
        await world.settle()
        world.check()
      } catch (thrown) {
        throw new Error(`seed ${seed}`, { cause: thrown })
      }
      sessions += world.logs.a.size
      for (const { got } of world.logs.a.values()) bytes += got.length
      world.side.a.port.close()
      world.side.b.port.close()
    }
    assert.ok(sessions > 400, `only ${sessions} sessions were reached`)
    assert.ok(bytes > 200_000, `only ${bytes} bytes were read`)
  })

  for (const victim of ['a', 'b'] as const) {
    for (const what of ['writesLeft', 'readsLeft'] as const) {
      test(`${victim}, at every byte it ${what === 'writesLeft' ? 'writes' : 'reads'}`, async () => {
        for (let offset = 1; offset <= 260; offset++) {
          const world = new World(7)
          world.side[victim].raw[what] = offset
          await live(world, 60)
          world.restart(victim)
          await live(world, 5)
          try {
            await world.settle()
            world.check()
          } catch (thrown) {
            throw new Error(`offset ${offset}`, { cause: thrown })
          }
          world.side.a.port.close()
          world.side.b.port.close()
        }
      })
    }
  }

  test('leaving only old HELLOs behind', async () => {
    const world = new World(3)
    for (let i = 0; i < 20; i++) {
      world.side.a.tick()
      world.restart('a')
    }
    await world.settle()
    world.check()
    world.side.a.port.close()
    world.side.b.port.close()
  })
})
