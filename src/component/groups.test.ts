import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Caller, contract, DEFAULT_RPC_LIMITS, method, t } from '../rpc/index.ts'
import { StillEnv } from '../testing/index.ts'
import { ClassTable } from './classes.ts'
import { code, end, FileStore, settle, type World, world } from './harness.test.ts'
import { PeerUsages } from './peer-usage.ts'

const Work = contract('test.Work', { version: '1.0' }, { run: method({ data: t.bytes }, t.void) })

/** Requests of this many `bytes` come in fragments. */
const LONG = 100_000
/** Room for two of them. */
const limits = { rpc: { reassembly: 250_000 } }

/** One process that serves pipes of several callers, with calls that run until they are let go. */
class Scene {
  readonly usages = new PeerUsages()
  readonly waiting: (() => void)[] = []
  readonly #env = new StillEnv()
  readonly #classes = new ClassTable()

  constructor() {
    this.#classes.offer(Work, { run: () => new Promise<void>((resolve) => this.waiting.push(resolve)) })
  }

  /** One more pipe of that caller. */
  open(caller: Caller, group?: number): World {
    const { usage, over } = this.usages.enter(caller)
    const made = world({
      env: this.#env,
      classes: this.#classes,
      caller,
      usage,
      server: limits,
      ...(group === undefined ? {} : { group }),
    })
    void made.server.closed.then(over)
    return made
  }

  /** So much time passes that nobody waits any more for the rest of a request which came long ago. */
  async pass(): Promise<void> {
    this.#env.advance(DEFAULT_RPC_LIMITS.unfinished)
    await settle()
  }

  async letGo(): Promise<void> {
    this.waiting.splice(0).forEach((go) => go())
    await settle()
  }
}

/** Callers that are busy at the same time are served in turns, which take some. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await settle()
}

const held = ({ server }: World): number => server.inspect().rpc.memory.reassembly
const groupOf = ({ client }: World): number => client.inspect().rpc.group
const web = { partition: 'web', epoch: 1 }

describe('the pipes of one caller share what requests in fragments may hold', () => {
  test('however many they are; another caller has its own, and so has the same one after a restart', async () => {
    const scene = new Scene()
    const pipes = Array.from({ length: 10 }, () => scene.open(web))
    const works = await Promise.all(pipes.map(({ client }) => client.activate(Work)))
    const outcomes: string[] = []
    const run = (work: (typeof works)[number]): Promise<void> =>
      work.run({ data: new Uint8Array(LONG) }).then(
        () => void outcomes.push('ran'),
        (thrown: { code: string }) => void outcomes.push(thrown.code),
      )
    const runs = works.map(run)
    await until(() => scene.waiting.length + outcomes.length === 10)
    assert.deepEqual([scene.waiting.length, outcomes], [2, Array(8).fill('BUSY')])
    const together = held(pipes[0] as World)
    assert.ok(together > 2 * LONG && together <= limits.rpc.reassembly)
    for (const pipe of pipes) assert.equal(held(pipe), together)

    const others = [scene.open({ partition: 'db', epoch: 1 }), scene.open({ partition: 'web', epoch: 2 })]
    for (const other of others) {
      const work = await other.client.activate(Work)
      runs.push(run(work), run(work))
    }
    await until(() => scene.waiting.length >= 6)
    assert.equal(scene.waiting.length, 6)
    // What is in one piece holds nothing here.
    const short = works[9]?.run({ data: new Uint8Array(100) })
    await settle()
    await scene.letGo()
    await Promise.all([...runs, short])
    assert.equal(outcomes.filter((outcome) => outcome === 'ran').length, 6)
    for (const pipe of [...pipes, ...others]) assert.equal(held(pipe), 0)

    await scene.pass()
    for (const pipe of [...pipes, ...others]) await end(pipe)
    assert.equal(scene.usages.size, 0)
  })

  test('and what a pipe held is free for the others when it is over', async () => {
    const scene = new Scene()
    const [one, two] = [scene.open(web), scene.open(web)]
    const [a, b] = [await one.client.activate(Work), await two.client.activate(Work)]
    for (let i = 0; i < 2; i++) a.run({ data: new Uint8Array(LONG) }).catch(() => {})
    await settle()
    await assert.rejects(b.run({ data: new Uint8Array(LONG) }), code('BUSY'))
    await scene.pass()
    await end(one)
    assert.equal(held(two), 0)
    const ran = b.run({ data: new Uint8Array(LONG) })
    await settle()
    await scene.letGo()
    await ran
    await end(two)
    assert.equal(scene.usages.size, 0)
  })
})

describe('several pipes of one caller in one association group', () => {
  test('a second one joins by naming it, and it is over with the last of them', async () => {
    const scene = new Scene()
    const one = scene.open(web)
    await one.client.activate(Work)
    const group = groupOf(one)
    const two = scene.open(web, group)
    const work = await two.client.activate(Work)
    assert.deepEqual([groupOf(two), two.server.inspect().rpc.group], [group, group])
    const apart = scene.open(web)
    await apart.client.activate(Work)
    assert.notEqual(groupOf(apart), group)
    await end(one)
    const ran = work.run({ data: new Uint8Array(LONG) })
    const three = scene.open(web, group)
    await three.client.activate(Work)
    await settle()
    await scene.letGo()
    await ran
    for (const pipe of [two, three]) await end(pipe)
    const late = scene.open(web, group)
    await assert.rejects(late.client.activate(Work), code('DENIED'))
    await end(apart)
    assert.equal(scene.usages.size, 0)
  })

  test("nobody joins another caller's", async () => {
    const scene = new Scene()
    const one = scene.open(web)
    await one.client.activate(Work)
    for (const caller of [
      { partition: 'db', epoch: 1 },
      { partition: 'web', epoch: 2 },
    ]) {
      const other = scene.open(caller, groupOf(one))
      await assert.rejects(other.client.activate(Work), code('DENIED'))
    }
    await end(one)
    assert.equal(scene.usages.size, 0)
  })

  test('references stay with the pipe over which they were given', async () => {
    const usages = new PeerUsages()
    const enter = (): { usage: ReturnType<PeerUsages['enter']>['usage'] } => ({ usage: usages.enter(web).usage })
    const one = world(enter())
    const store = await one.client.activate(FileStore)
    const two = world({ ...enter(), env: one.env, classes: one.classes, group: groupOf(one) })
    const again = await two.client.activate(FileStore)
    const file = await store.open({ path: '/a' })
    const count = (each: World): number => each.server.inspect().objects
    assert.deepEqual([count(one), count(two)], [2, 1])
    await end(one)
    await assert.rejects(file.close(), code('CLOSED'))
    assert.equal((await again.stat({ path: '/b' })).size, 2)
    await end(two)
  })
})
