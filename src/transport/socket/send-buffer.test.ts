import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import koffi from 'koffi'
import { socketLink } from './link.ts'
import { SendBuffer } from './send-buffer.ts'

const SOL_SOCKET = 1
const SO_SNDBUF = 7
const BYTES = 200_000

const getOption = koffi
  .load(null)
  .func('int getsockopt(int fd, int level, int option, _Out_ int *value, _Inout_ uint *length)') as (
  ...args: unknown[]
) => number

/** What the kernel says that the buffer holds. */
function bufferOf(socket: net.Socket): number {
  const value = [0]
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  assert.equal(getOption(fd, SOL_SOCKET, SO_SNDBUF, value, [4]), 0)
  return value[0] as number
}

/** What a link asks for comes a few turns later, once koffi was loaded. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

describe('send buffer', () => {
  let directory = ''
  let server: net.Server
  const sockets: net.Socket[] = []
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'busbar-buffer-'))
    server = net.createServer((socket) => sockets.push(socket)).listen(join(directory, 's'))
    await once(server, 'listening')
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await rm(directory, { recursive: true })
  })
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect(join(directory, 's'))
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  test('is wide while it is wanted, and what it was before again', async () => {
    const socket = await connect()
    const before = bufferOf(socket)
    const buffer = new SendBuffer(socket, BYTES, 16)
    for (let i = 0; i < 3; i++) {
      await buffer.widen()
      assert.equal(bufferOf(socket), 2 * BYTES)
      buffer.narrow()
      assert.equal(bufferOf(socket), before)
    }
    const widened = buffer.widen()
    buffer.narrow()
    await widened
    assert.equal(bufferOf(socket), before)
  })

  test('of more sockets than are allowed stays as it is, until one of the others is closed', async () => {
    const most = await Promise.all([connect(), connect(), connect()])
    const buffers = most.map((socket) => new SendBuffer(socket, BYTES, 2))
    for (const buffer of buffers) await buffer.widen()
    assert.deepEqual(
      most.map((socket) => bufferOf(socket) === 2 * BYTES),
      [true, true, false],
    )
    most[0]?.destroy()
    await once(most[0] as net.Socket, 'close')
    await buffers[2]?.widen()
    assert.equal(bufferOf(most[2] as net.Socket), 2 * BYTES)
    buffers[1]?.narrow()
    buffers[2]?.narrow()
  })

  test('is never made smaller', async () => {
    const socket = await connect()
    const before = bufferOf(socket)
    const buffer = new SendBuffer(socket, 4096, 16)
    await buffer.widen()
    assert.equal(bufferOf(socket), before)
  })

  test('of a socket that closes first is left alone', async () => {
    const socket = await connect()
    const buffer = new SendBuffer(socket, BYTES, 16)
    const widened = buffer.widen()
    socket.destroy()
    await widened
    buffer.narrow()
  })

  test('of a link is wide once bulk waits, where bulk is all that there is, and no more when small chunks move', async () => {
    const limits = { sendBuffer: BYTES }
    const [bulk, plain, other] = await Promise.all([connect(), connect(), connect()])
    const before = bufferOf(bulk)
    await new SendBuffer(other, 4096, 16).widen()
    const links = [bulk, plain, other].map((socket) => socketLink(socket, limits))
    links[0]?.favourBulk?.()
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 16; i++) for (const link of links.slice(0, 2)) void link.write(new Uint8Array(65_536))
      await turns()
    }
    await fill()
    assert.deepEqual([bufferOf(bulk), bufferOf(plain)], [2 * BYTES, before])
    // Small chunks count for some time only, which a slow machine may need for less than this.
    for (let i = 0; i < 100 && bufferOf(bulk) !== before; i++) {
      void links[2]?.write(new Uint8Array(100))
      await fill()
    }
    assert.deepEqual([bufferOf(bulk), bufferOf(plain)], [before, before])
    for (const link of links) link.close()
    await Promise.all(links.map((link) => link.closed))
  })

  test('of a link is what it was as soon as bulk is not all that there is, and stays so', async () => {
    const socket = await connect()
    const before = bufferOf(socket)
    const link = socketLink(socket, { sendBuffer: BYTES })
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 16; i++) void link.write(new Uint8Array(65_536))
      await turns()
    }
    // A small chunk that another link of this process moved counts for some time.
    for (let i = 0; i < 1_000 && bufferOf(socket) === before; i++) {
      link.favourBulk?.(true)
      await fill()
    }
    assert.equal(bufferOf(socket), 2 * BYTES)
    link.favourBulk?.(false)
    assert.equal(bufferOf(socket), before)
    await fill()
    assert.equal(bufferOf(socket), before)
    link.close()
    await link.closed
    link.favourBulk?.(true)
  })
})
