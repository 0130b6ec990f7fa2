import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Env } from '../../link/index.ts'
import { linkSuite } from '../../testing/index.ts'
import { nodeEnv } from '../env.ts'
import { maxSocketPath } from '../limits.ts'
import { connectUnix } from '../socket/connect.ts'
import { connectHybridVsock } from './connect.ts'
import { LineReader } from './line.ts'
import { listenHybridVsock } from './listen.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-hybrid-'))
})
after(() => rm(directory, { recursive: true }))
let count = 0

/** A monitor: gets each connection's bytes as they come, and says what it sends back and what reaches the guest. */
interface Monitor {
  readonly path: string
  /** What the guest's program got, one text a connection. */
  readonly guest: string[]
  stop(): Promise<void>
}

type Script = (socket: net.Socket, toGuest: (bytes: Buffer) => void) => void

async function monitor(script: Script): Promise<Monitor> {
  const path = join(directory, `v${count++}.sock`)
  const guest: string[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const index = guest.push('') - 1
    script(socket, (bytes) => {
      guest[index] += bytes.toString('latin1')
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    path,
    guest,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Firecracker: the first 10 bytes must be there at once, then it reads byte by byte to the newline, at most 32; answers with a host port. */
const firecracker =
  (limit = 1023, greeting = ''): Script =>
  (socket, toGuest) => {
    if (count > limit) {
      socket.destroy()
      return
    }
    socket.once('data', (first) => {
      const end = first.indexOf(0x0a)
      if (first.length < 10 || end < 0 || end >= 32) {
        socket.destroy()
        return
      }
      const line = first.subarray(0, end)
      const words = line.toString('latin1').split(/\s+/)
      if (words[0]?.toLowerCase() !== 'connect' || !/^\d+$/.test(words[1] ?? '') || words[1] === '9999') {
        socket.destroy()
        return
      }
      if (first.length > end + 1) toGuest(first.subarray(end + 1))
      socket.write(`OK 1073741824\n${greeting}`)
      socket.on('data', toGuest)
      socket.on('end', () => socket.end())
    })
  }

/** vhost-device-vsock: a buffered reader up to the newline, dropped afterwards with all it holds; answers with the guest's port. */
const vhostDevice =
  (greeting = ''): Script =>
  (socket, toGuest) => {
    let held = ''
    const request = (chunk: Buffer): void => {
      held += chunk.toString('latin1')
      const match = /^CONNECT (\d+)\n/.exec(held)
      if (match === null) return
      // What came with the request is lost.
      socket.off('data', request)
      socket.on('data', toGuest)
      socket.write(`OK ${match[1]}\n${greeting}`)
    }
    socket.on('data', request)
    socket.on('end', () => socket.end())
  }

/** openvmm: reads until the buffer ends in a newline, so pipelined bytes make a request that does not fit; echoes what was asked. */
const openvmm =
  (greeting = ''): Script =>
  (socket, toGuest) => {
    const limit = 'CONNECT 00000000-0000-0000-0000-000000000000\n'.length
    let held = Buffer.alloc(0)
    const request = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk])
      if (held.length > limit) {
        socket.destroy()
        return
      }
      if (held.at(-1) !== 0x0a) return
      const match = /^connect (\S+)\n$/i.exec(held.toString('latin1'))
      if (match === null) {
        socket.destroy()
        return
      }
      socket.off('data', request)
      socket.on('data', toGuest)
      socket.write(`OK ${match[1]}\n${greeting}`)
    }
    socket.on('data', request)
    socket.on('end', () => socket.end())
  }

const env = nodeEnv()

for (const [name, make] of Object.entries({
  Firecracker: (greeting: string) => firecracker(1e9, greeting),
  'vhost-device-vsock': vhostDevice,
  openvmm,
})) {
  test(`${name}: connects, loses no byte on either side, ends in order`, async () => {
    const peer = await monitor(make('hello '))
    const link = await connectHybridVsock(peer.path, 4_294_967_294, { env })
    await link.write(Buffer.from('first'))
    await link.end()
    let got = ''
    for (let chunk = await link.read(); chunk !== undefined; chunk = await link.read())
      got += Buffer.from(chunk).toString()
    assert.equal(got, 'hello ')
    assert.equal(await link.closed, undefined)
    assert.deepEqual(peer.guest, ['first'])
    await peer.stop()
  })
}

describe('a link through a monitor', () => {
  let peer: Monitor
  const waiting: net.Socket[] = []
  before(async () => {
    peer = await monitor((socket) => {
      socket.once('data', () => {
        socket.write('OK 1\n')
        waiting.push(socket)
      })
    })
  })
  after(() => peer.stop())

  linkSuite(
    'hybrid vsock',
    async () => {
      const guestPath = join(directory, `guest${count++}`)
      const accepted = new Promise<net.Socket>((resolve) => {
        const server = net.createServer({ allowHalfOpen: true }, (socket) => {
          server.close()
          resolve(socket)
        })
        server.listen(guestPath)
      })
      const a = await connectHybridVsock(peer.path, 5, { env })
      const b = await connectUnix(guestPath)
      const [left, right] = [waiting.shift(), await accepted]
      assert.ok(left !== undefined)
      left.pipe(right).pipe(left)
      left.on('close', () => right.destroy())
      right.on('error', () => left.destroy()).on('close', () => left.destroy())
      return { a, b, dispose: async () => {} }
    },
    { peerSees: 'end' },
  )
})

test('a monitor that closes without a word is NOT_READY with a hint', async () => {
  const full = await monitor(firecracker(0))
  await assert.rejects(connectHybridVsock(full.path, 1, { env }), (error: { code?: string; hints?: string[] }) => {
    assert.equal(error.code, 'NOT_READY')
    assert.equal(error.hints?.length, 2)
    return true
  })
  await full.stop()
  const nobody = await monitor(firecracker(1e9))
  await assert.rejects(connectHybridVsock(nobody.path, 9999, { env }), { code: 'NOT_READY', stage: 'connect' })
  await nobody.stop()
})

test('an answer in single bytes is understood and the rest kept', async () => {
  const peer = await monitor((socket) => {
    socket.once('data', () => {
      const bytes = [...Buffer.from('OK 7\nguest bytes')]
      const next = (): void => {
        const byte = bytes.shift()
        if (byte === undefined) socket.end()
        else socket.write(Buffer.from([byte]), () => setImmediate(next))
      }
      next()
    })
  })
  const link = await connectHybridVsock(peer.path, 7, { env })
  let got = ''
  for (let chunk = await link.read(); chunk !== undefined; chunk = await link.read())
    got += Buffer.from(chunk).toString()
  assert.equal(got, 'guest bytes')
  link.close()
  await peer.stop()
})

test('whatever else answers is MALFORMED, and its text is escaped', async () => {
  for (const answer of [
    'HTTP/1.1 400 Bad Request\r\n',
    'OK\n',
    'OK 1 2\n',
    `${'x'.repeat(65)}`,
    'OK \u001b[31m1\n',
    '\n',
  ]) {
    const peer = await monitor((socket) => socket.once('data', () => socket.write(answer)))
    await assert.rejects(connectHybridVsock(peer.path, 7, { env }), { code: 'MALFORMED' }, JSON.stringify(answer))
    await peer.stop()
  }
})

test('no answer is DEADLINE, by the clock that was given', async () => {
  let fire: () => void = () => {}
  let cancelled = 0
  const still: Env = {
    ...env,
    timer: (delay, run) => {
      assert.equal(delay, 50)
      fire = run
      return { cancel: () => cancelled++ }
    },
  }
  const peer = await monitor((socket) => socket.once('data', () => fire()))
  await assert.rejects(connectHybridVsock(peer.path, 7, { env: still, timeoutMs: 50 }), {
    code: 'DEADLINE',
    message: /50 ms/,
  })
  assert.equal(cancelled, 1)
  await peer.stop()
})

test('cancelling gives up at once, before and while it waits', async () => {
  const peer = await monitor(() => {})
  await assert.rejects(connectHybridVsock(peer.path, 7, { env, signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  const abort = new AbortController()
  const connecting = connectHybridVsock(peer.path, 7, { env, signal: abort.signal })
  setImmediate(() => setImmediate(() => abort.abort()))
  await assert.rejects(connecting, { code: 'CANCELLED' })
  await peer.stop()
})

test('ports and paths are checked', async () => {
  for (const port of [-1, 1.5, 0xffff_ffff, Number.NaN]) {
    await assert.rejects(connectHybridVsock('/nowhere', port, { env }), { code: 'INVALID_ARGUMENT' })
  }
  const path = join(directory, 'x'.repeat(maxSocketPath() - directory.length - 4))
  await assert.rejects(listenHybridVsock(path, 1024, { onLink: () => {} }), {
    code: 'INVALID_ARGUMENT',
    message: /_1024$/,
  })
  await assert.rejects(connectHybridVsock(join(directory, 'none'), 1, { env }), {
    code: 'NOT_READY',
    message: /nothing has created/,
  })
})

test('a guest that dials reaches the listener of that port', async () => {
  const path = join(directory, 'dial.sock')
  let got = ''
  let accept: () => void = () => {}
  const accepted = new Promise<void>((resolve) => {
    accept = resolve
  })
  const listener = await listenHybridVsock(path, 1024, {
    onLink: (link) => {
      void (async () => {
        for (let chunk = await link.read(); chunk !== undefined; chunk = await link.read())
          got += Buffer.from(chunk).toString()
        await link.end()
        accept()
      })()
    },
  })
  const guest = await connectUnix(`${path}_1024`)
  await guest.write(Buffer.from('from the guest'))
  await guest.end()
  await accepted
  assert.equal(got, 'from the guest')
  await guest.read()
  await listener[Symbol.asyncDispose]()
})

test('a line is found whatever the pieces, and nothing behind it is lost', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'O', ' ', '9'), maxLength: 64 }),
      fc.uint8Array({ maxLength: 100 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (line, rest, cuts) => {
        const bytes = Buffer.concat([Buffer.from(`${line}\n`), rest])
        const reader = new LineReader(64)
        let at = 0
        let found: string | undefined
        for (const cut of [...cuts, bytes.length]) {
          if (found !== undefined || at >= bytes.length) break
          found = reader.push(bytes.subarray(at, at + cut))
          at = Math.min(bytes.length, at + cut)
        }
        assert.equal(found, line)
        assert.deepEqual(Buffer.concat([reader.rest(), bytes.subarray(at)]), Buffer.from(rest))
      },
    ),
    { seed: 8, numRuns: 500 },
  )
})
