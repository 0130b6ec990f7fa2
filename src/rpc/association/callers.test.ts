import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MemoryLink, memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import { DEFAULT_RPC_LIMITS, type RpcLimits } from '../limits.ts'
import { PFC } from '../pdu/header.ts'
import { Callers } from './callers.ts'
import { bind, bytes, Echo, OFFER, OTHER, RawPeer, request, settle, TestEnv } from './harness.test.ts'
import { RpcServer } from './server.ts'

/** A process that serves callers by name. */
class Scene {
  readonly env: TestEnv
  readonly echo = new Echo()
  readonly #limits: Partial<RpcLimits>
  readonly #window: number | undefined

  /** `beside` another scene: its servers are in the same process. */
  constructor(limits: Partial<RpcLimits> = {}, window?: number, beside?: Scene) {
    this.env = beside?.env ?? new TestEnv()
    this.#limits = limits
    this.#window = window
  }

  /** A link of that caller, whose client has sent its bind. */
  async open(caller?: string): Promise<{ raw: RawPeer; link: MemoryLink; server: RpcServer }> {
    const [link, far] = memoryPair(this.#window)
    const server = new RpcServer(new RpcAccess(far), {
      env: this.env,
      limits: this.#limits,
      ...(caller === undefined ? {} : { caller }),
      lookup: ({ uuid }) => (uuid === this.echo.id.uuid ? this.echo : undefined),
    })
    const raw = new RawPeer(link)
    await raw.send(bind())
    return { raw, link, server }
  }

  /** A link of that caller, whose client makes so many calls and reads none of the answers. */
  async unread(caller: string, calls: number): Promise<{ link: MemoryLink; server: RpcServer }> {
    const [link, far] = memoryPair(this.#window)
    const { env, echo } = this
    const server = new RpcServer(new RpcAccess(far), { env, limits: this.#limits, caller, lookup: () => echo })
    void link.write(bind())
    for (let id = 2; id < calls + 2; id++) {
      void link.write(request(id, 0, bytes(2_000)))
      await settle()
    }
    return { link, server }
  }

  /** A link whose client breaks the protocol as soon as it may. */
  async offend(caller?: string): Promise<RpcServer> {
    const { raw, server } = await this.open(caller)
    await raw.send(request(2, 0, bytes(8), 0))
    this.env.advance(0)
    return server
  }

  async advance(by: number): Promise<void> {
    this.env.advance(by)
    await settle()
  }

  /** Whether a link of that caller is served at once. */
  async served(caller?: string): Promise<boolean> {
    const { raw, link } = await this.open(caller)
    const answers = raw.take()
    link.close()
    await settle()
    return answers.length === 1
  }
}

const first = PFC.FIRST
const { putOff, putOffMost, newcomerPutOff } = DEFAULT_RPC_LIMITS

describe('a caller that was cut off', () => {
  test('is put off, each time twice as long; nobody else is', async () => {
    const scene = new Scene()
    for (const pause of [putOff, 2 * putOff, 4 * putOff]) {
      await scene.offend('bad')
      assert.equal(await scene.served('good'), true)
      const { raw, link } = await scene.open('bad')
      await scene.advance(pause - 1)
      assert.deepEqual(raw.take(), [])
      assert.equal(await scene.served('good'), true)
      await scene.advance(1)
      assert.deepEqual(raw.take(), ['bind_ack 1'])
      link.close()
      await scene.advance(putOff)
    }
  })

  test('is put off no longer than `putOffMost`, and forgiven after twice that', async () => {
    const scene = new Scene()
    for (let i = 0; i < 20; i++) {
      await scene.offend('bad')
      await scene.advance(putOffMost)
    }
    assert.equal(await scene.served('bad'), true)
    await scene.advance(putOff)
    await scene.offend('bad')
    await scene.advance(putOffMost - 1)
    assert.equal(await scene.served('bad'), false)
    await scene.advance(2 * putOffMost)
    await scene.offend('bad')
    await scene.advance(putOff)
    assert.equal(await scene.served('bad'), true)
  })

  test('begins one association after the other then, and a new offence puts off the others', async () => {
    const scene = new Scene()
    await scene.offend('bad')
    const links = [await scene.open('bad'), await scene.open('bad'), await scene.open('bad')]
    const begun = (): number[] => links.map(({ raw }) => raw.pdus.length)
    await scene.advance(putOff)
    assert.deepEqual(begun(), [1, 0, 0])
    await scene.advance(putOff)
    assert.deepEqual(begun(), [1, 1, 0])
    await links[1]?.raw.send(request(2, 0, bytes(8), 0))
    await scene.advance(putOff)
    assert.deepEqual(begun(), [1, 2, 0])
    await scene.advance(putOff)
    assert.deepEqual(begun(), [1, 2, 1])
    for (const { link } of links) link.close()
    await scene.advance(DEFAULT_RPC_LIMITS.linger)
    assert.equal(scene.env.timers, 0)
  })

  test('is remembered among no more than `callers`', async () => {
    const limits = { callers: 4 }
    const scene = new Scene(limits)
    const kept = await scene.open('kept')
    for (let i = 0; i < 100; i++) {
      const server = await scene.offend(`bad ${i}`)
      await scene.advance(DEFAULT_RPC_LIMITS.linger)
      assert.equal((await server.closed)?.code, 'PROTOCOL')
    }
    assert.equal(Callers.of(scene.env).size, limits.callers)
    await kept.raw.send(request(2, 0, bytes(8)))
    assert.deepEqual(kept.raw.take(), ['bind_ack 1', 'response 2'])
    kept.link.close()
  })

  for (const caller of ['bad', undefined]) {
    test(`has no link left where what it had sent before it was served was cut off: ${caller ?? 'nobody'}`, async () => {
      const limits = { callerLinks: 1, newcomers: 1 }
      const scene = new Scene(limits)
      for (let i = 0; i < 4; i++) {
        const [link, far] = memoryPair()
        void link.write(bytes(64))
        const { env, echo } = scene
        const named = caller === undefined ? {} : { caller }
        const server = new RpcServer(new RpcAccess(far), { env, limits, ...named, lookup: () => echo })
        await scene.advance(putOffMost)
        assert.equal((await server.closed)?.code, 'MALFORMED')
        await scene.advance(2 * putOffMost)
      }
      assert.equal(await scene.served(caller), true)
      assert.equal(Callers.of(scene.env).size, 0)
      assert.equal(scene.env.timers, 0)
    })
  }

  test('is not remembered when it ended in order', async () => {
    const scene = new Scene()
    for (let i = 0; i < 10; i++) assert.equal(await scene.served(`good ${i}`), true)
    assert.equal(Callers.of(scene.env).size, 0)
  })
})

describe('limits of a caller on all its links', () => {
  test('`callerLinks`: more are closed, and room for one is there again when one is over', async () => {
    const scene = new Scene({ callerLinks: 3 })
    const links = [await scene.open('a'), await scene.open('a'), await scene.open('a')]
    const refused = await scene.open('a')
    assert.equal((await refused.server.closed)?.code, 'LIMIT')
    assert.match((await refused.server.closed)?.message ?? '', /callerLinks/)
    assert.equal(await scene.served('b'), true)
    links[0]?.link.close()
    await settle()
    assert.equal(await scene.served('a'), true)
    for (const { link } of links) link.close()
  })

  test('`callerUnsent`: nothing is read of links that take no more of their answers, until they do', async () => {
    const limits = { callerUnsent: 60_000 }
    const scene = new Scene(limits, 10_000)
    const links = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const [link, far] = memoryPair(10_000)
        const { env, echo } = scene
        const server = new RpcServer(new RpcAccess(far), { env, limits, caller: 'bad', lookup: () => echo })
        void link.write(bind())
        await settle()
        return { link, server }
      }),
    )
    for (let id = 2; id < 50; id++) {
      for (const { link } of links) void link.write(request(id, 0, bytes(2_000)))
      await settle()
    }
    const unsent = links.reduce((sum, { server }) => sum + server.inspect().memory.unsent, 0)
    // Of each link some is taken before it says that it takes no more, and then one chunk.
    assert.ok(unsent > limits.callerUnsent && unsent < limits.callerUnsent + 10 * 4_100, `${unsent} bytes are unsent`)
    assert.equal(await scene.served('good'), true)
    const raw = new RawPeer(links[0]?.link as MemoryLink)
    await settle()
    assert.equal(raw.take().length, 49)
    for (const { link } of links) link.close()
    await settle()
    assert.equal(Callers.of(scene.env).size, 0)
    assert.equal(scene.env.timers, 0)
  })
})

describe('servers of one process with different limits', () => {
  test('count the links of a caller together, and each takes as many as it grants', async () => {
    const wide = new Scene({ callerLinks: 8 })
    const narrow = new Scene({ callerLinks: 2 }, undefined, wide)
    const links = [await narrow.open('a'), await wide.open('a'), await wide.open('a')]
    const refused = await narrow.open('a')
    assert.match((await refused.server.closed)?.message ?? '', /callerLinks: a client had more than 2/)
    assert.equal(await wide.served('a'), true)
    for (const { server } of links) assert.equal(server.inspect().state, 'bound')
    for (const { link } of links.slice(1)) link.close()
    await settle()
    assert.equal(await narrow.served('a'), true)
    links[0]?.link.close()
  })

  test('put off a caller for as long as the one says that cut it off', async () => {
    const short = new Scene({ putOff: 10, putOffMost: 20 })
    const long = new Scene({ putOff: 1_000, putOffMost: 2_000 }, undefined, short)
    await short.offend('bad')
    await long.advance(10)
    assert.equal(await long.served('bad'), true)
    await long.advance(1_000)
    await long.offend('bad')
    await long.advance(999)
    assert.equal(await short.served('bad'), false)
    await long.advance(2_000)
    assert.equal(await short.served('bad'), true)
    assert.equal(Callers.of(short.env).size, 1)
  })

  test('stop reading by what each lets one caller leave unread', async () => {
    const wide = new Scene({ callerUnsent: 1_000_000 }, 10_000)
    const narrow = new Scene({ callerUnsent: 10_000 }, 10_000, wide)
    const links = [await wide.unread('a', 40), await narrow.unread('a', 40)]
    const [much = 0, little = 0] = links.map(({ server }) => server.inspect().memory.unsent)
    assert.ok(much > 60_000 && little < 20_000, `${much} and ${little} bytes are unsent`)
    for (const { link } of links) link.close()
    await settle()
    assert.equal(Callers.of(wide.env).size, 0)
  })

  test('send away a newcomer of their own where there are more than they want', async () => {
    const wide = new Scene({ newcomers: 8 })
    const narrow = new Scene({ newcomers: 2 }, undefined, wide)
    const links = [await wide.open(), await narrow.open(), await wide.open(), await wide.open()]
    const next = await narrow.open()
    assert.match((await links[1]?.server.closed)?.message ?? '', /newcomers: a client had more than 2/)
    for (const { link, server } of [links[0], links[2], links[3], next].filter((each) => each !== undefined)) {
      assert.equal(server.inspect().state, 'bound')
      link.close()
    }
    await settle()
    assert.equal(await narrow.served(), true)
    assert.equal(narrow.env.timers, 0)
  })
})

describe('links of which nobody says whose they are', () => {
  test('come in one after the other when one of them was cut off, each as late as the others', async () => {
    const scene = new Scene()
    for (let i = 0; i < 20; i++) await scene.offend()
    for (let i = 0; i < 25; i++) await scene.advance(newcomerPutOff)
    const links = [await scene.open(), await scene.open(), await scene.open()]
    for (let begun = 1; begun <= links.length; begun++) {
      assert.deepEqual(
        links.map(({ raw }) => raw.pdus.length),
        links.map((_, i) => (i < begun ? 1 : 0)),
      )
      await scene.advance(newcomerPutOff - 1)
      await scene.advance(1)
    }
    assert.equal(await scene.served('somebody'), true)
    for (const { link } of links) link.close()
  })

  test('`newcomers`: of those that were not answered a call more are not kept, and those that were are', async () => {
    const scene = new Scene({ newcomers: 3 })
    const known = await scene.open()
    await known.raw.send(request(2, 0, bytes(8)))
    await known.raw.send(request(3, 0, bytes(8)))
    assert.deepEqual(known.raw.take(), ['bind_ack 1', 'response 2', 'response 3'])
    const links = [await scene.open(), await scene.open(), await scene.open(), await scene.open()]
    const reason = await links[0]?.server.closed
    assert.equal(reason?.code, 'LIMIT')
    assert.match(reason?.message ?? '', /newcomers/)
    for (const { server } of links.slice(1)) assert.equal(server.inspect().state, 'bound')
    // To be turned away puts off nobody.
    assert.equal(await scene.served(), true)
    await known.raw.send(request(4, 0, bytes(8)))
    assert.deepEqual(known.raw.take(), ['response 4'])
    for (const { link } of [known, ...links]) link.close()
  })

  test('`newcomers`: no more than that wait, and one that was answered a call can be cut off as well', async () => {
    const scene = new Scene({ newcomers: 3 })
    const known = await scene.open()
    await known.raw.send(request(2, 0, bytes(8)))
    await known.raw.send(request(3, 0, bytes(8)))
    await known.raw.send(request(4, 0, bytes(8), 0))
    scene.env.advance(0)
    assert.deepEqual(known.raw.take().at(-1), 'fault 4 1c01000b')
    const links = [await scene.open(), await scene.open(), await scene.open()]
    const refused = await scene.open()
    assert.match((await refused.server.closed)?.message ?? '', /newcomers/)
    await scene.advance(newcomerPutOff)
    await scene.advance(newcomerPutOff)
    await scene.advance(newcomerPutOff)
    for (const { raw, link } of links) {
      assert.deepEqual(raw.take(), ['bind_ack 1'])
      link.close()
    }
    await scene.advance(DEFAULT_RPC_LIMITS.linger)
    assert.equal(scene.env.timers, 0)
  })
})

describe('a client is cut off', () => {
  test('`mistakes`: contexts that are not accepted', async () => {
    const scene = new Scene({ mistakes: 500 })
    const { raw, server } = await scene.open('bad')
    const contexts = Array.from({ length: 255 }, (_, i) => ({ ...OFFER, id: i + 1, abstract: OTHER }))
    await raw.send(bind({ contexts }, 14, 2))
    assert.equal(server.inspect().state, 'bound')
    await raw.send(bind({ contexts }, 14, 3))
    assert.match((await server.closed)?.message ?? '', /mistakes/)
    assert.equal(await scene.served('bad'), false)
    assert.equal(await scene.served('good'), true)
  })

  test('`mistakes`: calls that cannot be, but not those for which the server was too busy', async () => {
    const scene = new Scene({ mistakes: 20, calls: 1 })
    const busy = await scene.open('busy')
    for (let id = 2; id < 100; id++) await busy.raw.send(request(id, 2, bytes(8)))
    assert.equal(busy.server.inspect().state, 'bound')
    busy.link.close()
    const { raw, server } = await scene.open('bad')
    for (let id = 2; id < 22; id++) await raw.send(request(id, 99, bytes(8)))
    assert.equal(server.inspect().state, 'bound')
    await raw.send(request(22, 99, bytes(8)))
    assert.equal((await server.closed)?.code, 'LIMIT')
  })

  test('`stalled`: it reads nothing for so long, while it is read no more because of that', async () => {
    const limits = { unsent: 20_000, stalled: 1_000 }
    const scene = new Scene(limits, 10_000)
    const [link, far] = memoryPair(10_000)
    const { env, echo } = scene
    const server = new RpcServer(new RpcAccess(far), { env, limits, caller: 'bad', lookup: () => echo })
    void link.write(bind())
    for (let id = 2; id < 40; id++) void link.write(request(id, 0, bytes(2_000)))
    await settle()
    for (let i = 0; i < 2; i++) {
      await scene.advance(limits.stalled - 1)
      // Whoever reads some has so long again.
      for (let chunk = 0; chunk < 3; chunk++) await link.read()
      await settle()
      await scene.advance(1)
      assert.equal(server.inspect().state, 'bound')
    }
    await scene.advance(limits.stalled)
    assert.match((await server.closed)?.message ?? '', /stalled/)
    assert.equal(await scene.served('bad'), false)
  })

  test('`stalled`: time in which the process did not run does not count', async () => {
    const limits = { unsent: 20_000, stalled: 1_000 }
    const scene = new Scene(limits, 10_000)
    const [link, far] = memoryPair(10_000)
    const { env, echo } = scene
    const server = new RpcServer(new RpcAccess(far), { env, limits, caller: 'frozen', lookup: () => echo })
    void link.write(bind())
    for (let id = 2; id < 40; id++) void link.write(request(id, 0, bytes(2_000)))
    await settle()
    for (let i = 0; i < 3; i++) await scene.advance(100 * limits.stalled)
    assert.equal(server.inspect().state, 'bound')
    for (let i = 0; i < 2; i++) await scene.advance(limits.stalled)
    assert.match((await server.closed)?.message ?? '', /stalled/)
    assert.equal(scene.env.timers, 0)
  })

  test('and one that reads late is not', async () => {
    const limits = { unsent: 20_000, stalled: 1_000 }
    const scene = new Scene(limits, 10_000)
    const { raw, link, server } = await scene.open('late')
    for (let id = 2; id < 40; id++) void link.write(request(id, 0, bytes(2_000)))
    await settle()
    await scene.advance(10 * limits.stalled)
    assert.deepEqual([raw.take().length, server.inspect().state, scene.env.timers], [39, 'bound', 0])
    link.close()
  })
})

test('a fragment that opens a request does not outlive the caller that was cut off', async () => {
  const scene = new Scene()
  const { raw, server } = await scene.open('bad')
  await raw.send(request(2, 0, bytes(1_000), first), request(3, 0, bytes(8), 0))
  assert.equal(server.inspect().memory.reassembly, 0)
  assert.equal(await scene.served('bad'), false)
})
