import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Guid } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import { contract, FaultError, method, RpcAccess, t } from '../rpc/index.ts'
import { type MemoryLink, memoryPair, StillEnv } from '../testing/index.ts'
import { ClassTable } from './classes.ts'
import { ObjectClient } from './client.ts'
import { code, settle } from './harness.test.ts'
import type { ObjectLimits } from './limits.ts'
import { ReturnChannels } from './return-channels.ts'
import { ObjectServer } from './server.ts'

const Ear = contract('test.Ear', { version: '1.0' }, { hear: method({}, t.uint32) })
const Desk = contract(
  'test.Desk',
  { version: '1.0' },
  { take: method({ ear: t.ref(Ear) }, t.void), wait: method({}, t.void) },
)

const ear = { hear: () => 1 }
const caller = { partition: 'web', epoch: 1 }

/** One pipe to a desk, whose return channel is opened as `open` does; `through` gives what the client has of the link. */
async function desk(
  open: (token: Guid) => Promise<RpcAccess>,
  limits: Partial<ObjectLimits> = {},
  through = (link: MemoryLink): MemoryLink => link,
) {
  const env = new StillEnv()
  const classes = new ClassTable()
  const waiting: (() => void)[] = []
  classes.offer(Desk, {
    take: ({ ear: taken }) => taken[Symbol.dispose](),
    wait: () => new Promise((resolve) => waiting.push(resolve)),
  })
  const [near, far] = memoryPair()
  const returns = new ReturnChannels(env)
  const server = new ObjectServer(new RpcAccess(far), { env, classes, caller, returns, limits })
  const peer = { partition: 'storage', epoch: 0 }
  const client = new ObjectClient(new RpcAccess(through(near)), { env, returns: { peer, open } })
  return { client, server, returns, waiting, proxy: await client.activate(Desk) }
}

/** The other end of `link`, but for `alter_context`: each is answered with a fault of that status. */
function refusing(link: MemoryLink, status: number): MemoryLink {
  const [mine, theirs] = memoryPair()
  const out = async (): Promise<void> => {
    for (let chunk = await theirs.read(); chunk !== undefined; chunk = await theirs.read()) {
      for (let at = 0; at < chunk.length; ) {
        const pdu = chunk.slice(at, at + new DataView(chunk.buffer, chunk.byteOffset + at).getUint16(8, true))
        at += pdu.length
        if (pdu[2] !== ALTER_CONTEXT) await link.write(pdu)
        else await theirs.write(faultTo(pdu, status))
      }
    }
    await link.end()
  }
  const back = async (): Promise<void> => {
    for (let chunk = await link.read(); chunk !== undefined; chunk = await link.read())
      await theirs.write(chunk.slice())
    await theirs.end()
  }
  for (const each of [out(), back()]) each.catch(() => {})
  return mine
}

const ALTER_CONTEXT = 14
const FAULT = 3

function faultTo(question: Uint8Array, status: number): Uint8Array {
  const fault = new Uint8Array(32)
  fault.set(question.subarray(0, 16))
  fault[2] = FAULT
  const view = new DataView(fault.buffer)
  view.setUint16(8, fault.length, true)
  view.setUint32(24, status, true)
  return fault
}

/** The code that a link closed with, or that it is open. */
async function stateOf(link: MemoryLink): Promise<string> {
  let state = 'open'
  void link.closed.then((reason) => {
    state = reason?.code ?? 'in order'
  })
  await settle()
  return state
}

describe('the return channel of a pipe', () => {
  test('that comes after the pipe is over is closed, and nobody waited for it', async () => {
    let arrive: (access: RpcAccess) => void = () => {}
    const { client, proxy } = await desk(() => new Promise((resolve) => (arrive = resolve)))
    const lending = proxy.take({ ear })
    await settle()
    client.close()
    await assert.rejects(lending, code('CLOSED'))
    assert.deepEqual(client.inspect().exports, {})
    const [near] = memoryPair()
    arrive(new RpcAccess(near))
    assert.equal(await stateOf(near), 'CLOSED')
    assert.equal(client.inspect().returning, undefined)
  })

  test('that comes together with the end of the pipe is closed on the other side as well', async () => {
    // Whose other end the client keeps open, whatever becomes of the pipe.
    const [, far] = memoryPair()
    let come = (): void => {}
    const { client, server, returns, proxy } = await desk(async (token) => {
      come = () => returns.claim(token, caller, new RpcAccess(far))
      return new RpcAccess(memoryPair()[0])
    })
    const lending = proxy.take({ ear })
    await settle()
    server.close()
    come()
    await assert.rejects(lending, BusbarError)
    await settle()
    assert.equal(await stateOf(far), 'CLOSED')
    client.close()
  })

  test('is opened once, also where the call that waits for it was refused', async () => {
    const channels: MemoryLink[] = []
    const all = await desk(
      async (token) => {
        const [near, far] = memoryPair()
        channels.push(near)
        all.returns.claim(token, caller, new RpcAccess(far))
        void all.proxy.wait({})
        await settle()
        return new RpcAccess(near)
      },
      { peerCalls: 1 },
    )
    await assert.rejects(all.proxy.take({ ear }), code('BUSY', /peerCalls/))
    assert.deepEqual(all.client.inspect().exports, {})
    all.waiting.shift()?.()
    await settle()
    await all.proxy.take({ ear })
    assert.equal(channels.length, 1)
    all.client.close()
  })

  test('that cannot be opened leaves nothing lent, whatever it failed with', async () => {
    for (const failure of [new BusbarError('DENIED', 'no'), new FaultError(0x1c01_0014, 'FAULT', 'a fault')]) {
      const { client, proxy } = await desk(() => Promise.reject(failure))
      await assert.rejects(proxy.take({ ear }), code(failure.code))
      assert.deepEqual(client.inspect().exports, {})
      client.close()
    }
  })

  test('a call whose interface is refused leaves nothing lent, whatever it was refused with', async () => {
    for (const options of [undefined, { deadline: 1_000 }]) {
      for (const status of [0x1c01_0003, 0x1c00_001d, 5, 0x1234_5678]) {
        const all = await desk(
          (token) => {
            const [near, far] = memoryPair()
            all.returns.claim(token, caller, new RpcAccess(far))
            return Promise.resolve(new RpcAccess(near))
          },
          {},
          (link) => refusing(link, status),
        )
        await assert.rejects(all.proxy.take({ ear }, options), /answered with fault/)
        assert.deepEqual(all.client.inspect().exports, {}, `status ${status.toString(16)}`)
        all.client.close()
      }
    }
  })
})
