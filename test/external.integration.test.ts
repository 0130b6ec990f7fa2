/** Machines that somebody else runs, on both media that `busbar up` reaches them by: they come, go, and come again. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Endpoint, MuxCarrier } from '../src/bus/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { nodeEnv, SerialPort, socketLink } from '../src/transport/index.ts'
import { PROGRAM } from './built-bus.ts'
import { RunningProgram } from './running-program.ts'

let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-external-'))
})
after(() => rm(directory, { recursive: true, force: true }))

function busbar(args: readonly string[]): RunningProgram {
  return new RunningProgram(PROGRAM, args, { cwd: directory, env: { XDG_RUNTIME_DIR: directory } })
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text)
  return name
}

function events(out: string, kind: string): Record<string, unknown>[] {
  const all = out.split('\n').filter((line) => line !== '')
  return all.map((line) => JSON.parse(line) as Record<string, unknown>).filter((event) => event['kind'] === kind)
}

function codeOf(reason: unknown): unknown {
  return (reason as { code?: unknown }).code
}

/** A Unix socket as QEMU or a monitor of machines has it, and who connects to it, in order. */
async function peer(name: string): Promise<AsyncDisposable & { connection(): Promise<net.Socket> }> {
  const arrived: net.Socket[] = []
  const all = new Set<net.Socket>()
  let come: () => void = () => {}
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    arrived.push(socket)
    all.add(socket)
    come()
  })
  server.listen(join(directory, name))
  await once(server, 'listening')
  return {
    async connection() {
      while (arrived[0] === undefined) await new Promise<void>((resolve) => (come = resolve))
      return arrived.shift() ?? assert.fail('nobody')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a machine of somebody else on a virtio-serial port: its sessions, and QEMU itself, come and go', {
  timeout: 120_000,
}, async () => {
  const config = await file(
    'serial.yaml',
    'partitions:\n  vm: { kind: external, medium: virtio-serial, socket: chardev.sock }\n',
  )
  await using qemu = await peer('chardev.sock')
  await using up = busbar(['up', config, '--socket', 's.sock', '--json'])
  const env = nodeEnv()
  const attach = async (port: SerialPort, epoch: number): Promise<Endpoint> => {
    const vm = await Endpoint.attach(new MuxCarrier(await port.accept(), { side: 'partition', env }), { env })
    assert.deepEqual(vm.identity, { partition: 'vm', epoch })
    return vm
  }
  const port = new SerialPort(socketLink(await qemu.connection()), { env })
  // Another session on the same connection, as when the guest's agent is started again.
  const first = await attach(port, 1)
  first.close()
  await attach(port, 2)
  port.close(new BusbarError('CLOSED', 'QEMU ends'))
  const again = new SerialPort(socketLink(await qemu.connection()), { env })
  await attach(again, 3)
  await up.printed(/"epoch":3/)
  assert.equal(events(up.out, 'starting').length, 2)
  assert.equal(await up.interrupted(), 0)
  again.close(new BusbarError('CLOSED', 'over'))
})

test('a machine of somebody else on hybrid vsock is dialled until its guest listens, and again when it is lost', {
  timeout: 120_000,
}, async () => {
  const config = await file(
    'vsock.yaml',
    'partitions:\n  micro: { kind: external, medium: vsock, socket: v.sock, port: 1024 }\n',
  )
  await using monitor = await peer('v.sock')
  await using up = busbar(['up', config, '--socket', 'm.sock', '--json'])
  const env = nodeEnv()
  const dialled = async (): Promise<net.Socket> => {
    const socket = await monitor.connection()
    const [line] = (await once(socket, 'data')) as [Buffer]
    assert.equal(line.toString(), 'CONNECT 1024\n')
    return socket
  }
  // Nobody listens in the guest: the monitor closes without a word.
  for (let attempt = 0; attempt < 2; attempt++) (await dialled()).destroy()
  for (const epoch of [1, 2]) {
    const socket = await dialled()
    socket.write(`OK ${1000 + epoch}\n`)
    const link = socketLink(socket)
    const micro = await Endpoint.attach(new MuxCarrier(link, { side: 'partition', env }), { env })
    assert.deepEqual(micro.identity, { partition: 'micro', epoch })
    // As when the machine is gone; the first time it is dialled after that its guest does not listen yet.
    if (epoch === 2) break
    socket.destroy()
    ;(await dialled()).destroy()
  }
  await up.printed(/"partition":"micro","epoch":2/)
  // The same failure is told once, however often it is tried, and once more when it was there in between.
  const told = events(up.out, 'failed').map(({ partition, again, reason }) => [partition, again, codeOf(reason)])
  const failure = ['micro', true, 'NOT_READY']
  assert.deepEqual(told, [failure, failure])
  const seen = ['attached', 'detached'].map((kind) =>
    events(up.out, kind).filter(({ partition }) => partition === 'micro'),
  )
  assert.deepEqual(
    seen.map(({ length }) => length),
    [2, 1],
  )
  assert.equal(await up.interrupted(), 0)
})
