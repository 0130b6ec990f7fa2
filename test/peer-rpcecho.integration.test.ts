/** The entry point for peers, called by our own client: what the judges see of the server, seen from this side. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ByteLink } from '../src/link/index.ts'
import { plainClient, RpcAccess, RpcClient } from '../src/rpc/index.ts'
import { EndpointMapper, INQUIRY, Management, NO_HANDLE, RpcEcho, VERSIONS } from '../src/services/index.ts'
import { connectUnix, nodeEnv, socketLink } from '../src/transport/index.ts'
import { ours, start, type Started } from './judges/judges.ts'

describe('npm run peer:rpcecho', () => {
  let folder: string
  let path: string
  let peer: Started
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'busbar-peer-'))
    path = join(folder, 'echo.sock')
    const line = ours('scripts/peer-rpcecho.ts', '--listen', '127.0.0.1:0', '--listen', path)
    peer = await start(line, /echo\.sock\n/, false)
  })
  after(async () => {
    await peer.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function overTcp(): Promise<ByteLink> {
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(peer.output())?.[1])
    const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return socketLink(socket)
  }

  for (const [medium, connect] of [
    ['a Unix socket', () => connectUnix(path)],
    ['TCP', overTcp],
  ] as const) {
    test(`all of rpcecho over ${medium}`, async () => {
      const rpc = new RpcClient(new RpcAccess(await connect()), { env: nodeEnv() })
      const echo = await plainClient(rpc, RpcEcho)
      const data = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)
      assert.deepEqual(await echo.addOne({ in_data: 0xffff_ffff }), { out_data: 0 })
      assert.deepEqual(await echo.echoData({ len: data.length, in_data: data }), { out_data: data })
      assert.equal(await echo.sinkData({ len: data.length, data }), undefined)
      assert.deepEqual(
        (await echo.sourceData({ len: 300 })).data,
        Uint8Array.from({ length: 300 }, (_, i) => i),
      )
      assert.deepEqual(await echo.testCall({ s1: 'ünï ☎' }), { s2: 'ünï ☎' })
      assert.deepEqual(await echo.testCall2({ level: 7 }), {
        info: { case: 7, value: { v1: 80, info4: { v: 90n } } },
        result: 0,
      })
      await assert.rejects(echo.testCall2({ level: 8 }), { code: 'BAD_VALUE' })
      const [later, sooner] = await Promise.all([echo.testSleep({ seconds: 1 }), echo.testSleep({ seconds: 0 })])
      assert.deepEqual([later, sooner], [{ result: 1 }, { result: 0 }])
      const enums = { foo1: 'ECHO_ENUM2', foo2: { e1: 2, e2: 'ECHO_ENUM1_32' } } as const
      const foo3 = { case: 'ECHO_ENUM2', value: { e1: 1, e2: 'ECHO_ENUM2_32' } } as const
      assert.deepEqual(await echo.testEnum({ ...enums, foo3 }), { ...enums, foo3 })
      const surrounding = await echo.testSurrounding({ data: { x: 3, surrounding: [1, 2, 3] } })
      assert.deepEqual(surrounding, { data: { x: 6, surrounding: [0, 0, 0, 0, 0, 0] } })
      assert.deepEqual(await echo.testDoublePointer({ data: { value: 12 } }), { result: 12 })
      assert.deepEqual(await echo.testDoublePointer({ data: { value: undefined } }), { result: 0 })
      assert.deepEqual(await echo.testDoublePointer({ data: undefined }), { result: 0 })
      rpc.close()
    })
  }

  test('mgmt and epmapper', async () => {
    const rpc = new RpcClient(new RpcAccess(await overTcp()), { env: nodeEnv() })
    const [management, mapper] = await Promise.all([plainClient(rpc, Management), plainClient(rpc, EndpointMapper)])
    const { if_id_vector } = await management.inqIfIds()
    assert.deepEqual(
      if_id_vector?.if_id.map((id) => id?.uuid),
      [RpcEcho.uuid, EndpointMapper.uuid],
    )
    assert.deepEqual(await management.isServerListening(), { status: 0, result: 1 })
    assert.deepEqual(await management.stopServerListening(), { result: 5 })
    const all = { inquiry_type: INQUIRY.ALL, vers_option: VERSIONS.ALL, max_ents: 1 }
    const first = await mapper.lookup({ ...all, entry_handle: NO_HANDLE })
    assert.deepEqual(
      first.entries.map(({ annotation }) => annotation),
      ['rpcecho'],
    )
    // The handle is good on another link of the same group, and on no other.
    const { group } = rpc.inspect()
    const second = new RpcClient(new RpcAccess(await overTcp()), { env: nodeEnv(), group })
    const next = await (await plainClient(second, EndpointMapper)).lookup({ ...all, entry_handle: first.entry_handle })
    assert.deepEqual([next.entries[0]?.annotation, next.entry_handle], ['endpoint mapper', NO_HANDLE])
    const stranger = new RpcClient(new RpcAccess(await overTcp()), { env: nodeEnv() })
    const elsewhere = await plainClient(stranger, EndpointMapper)
    await assert.rejects(elsewhere.lookup({ ...all, entry_handle: first.entry_handle }), { code: 'NO_SUCH_OBJECT' })
    for (const each of [rpc, second, stranger]) each.close()
  })
})
