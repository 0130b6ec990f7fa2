import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Env } from '../../link/index.ts'
import { nodeEnv } from '../env.ts'
import { connectUnix } from '../socket/connect.ts'
import { listenUnix } from '../socket/listen.ts'
import { DeviceOpener } from './device.ts'
import { findSerialPort } from './find.ts'
import { serialGuest } from './guest.ts'
import { serialHost } from './host.ts'
import { SerialPort } from './port.ts'

const env = nodeEnv()
let root = ''
let sysfs = ''
let dev = ''

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'busbar-serial-'))
  sysfs = join(root, 'sys')
  dev = join(root, 'dev')
  await mkdir(dev)
  for (const [port, name] of [
    ['vport0p1', 'org.example.agent\n'],
    ['vport2p3', 'org.busbar.0\n'],
    ['vport2p4', ''],
    ['..vport9p9', 'org.evil\n'],
  ] as const) {
    await mkdir(join(sysfs, port), { recursive: true })
    await writeFile(join(sysfs, port, 'name'), name)
  }
  // A FIFO is the device that can be had everywhere: it is polled as a port is, and gives back what is written to it.
  execFileSync('mkfifo', [join(dev, 'vport2p3')])
})
after(() => rm(root, { recursive: true }))

test('a port is found by the name that the host gave it', async () => {
  assert.equal(await findSerialPort('org.busbar.0', { sysfs, dev }), join(dev, 'vport2p3'))
  assert.equal(await findSerialPort('org.example.agent', { sysfs }), '/dev/vport0p1')
})

test('a port that is not there is UNAVAILABLE, and the error names those that are', async () => {
  for (const name of ['org.evil', 'org.busbar', '']) {
    await assert.rejects(findSerialPort(name, { sysfs }), {
      code: 'UNAVAILABLE',
      message: /it has org\.busbar\.0, org\.example\.agent$/,
    })
  }
  await assert.rejects(findSerialPort('x', { sysfs: join(root, 'none') }), {
    code: 'UNAVAILABLE',
    message: /it has none/,
  })
  await assert.rejects(findSerialPort('x', { sysfs: join(sysfs, 'vport0p1', 'name') }), { code: 'UNAVAILABLE' })
})

test('a device is read and written without blocking a thread', async () => {
  const device = new DeviceOpener().open(join(dev, 'vport2p3'))
  const read = device.read()
  await device.write(Uint8Array.of(1, 2, 3))
  assert.deepEqual([...((await read) ?? [])], [1, 2, 3])
  const waiting = device.read()
  device.close()
  await assert.rejects(async () => await waiting, { code: 'CLOSED' })
})

test('megabytes through a device arrive whole', async () => {
  const device = new DeviceOpener().open(join(dev, 'vport2p3'))
  const block = new Uint8Array(65_536).map((_, index) => index * 7)
  let got = 0
  const reading = (async () => {
    while (got < 4_194_304) {
      const chunk = (await device.read()) as Uint8Array
      assert.equal(chunk[0], ((got % 65_536) * 7) & 0xff)
      got += chunk.length
    }
  })()
  for (let sent = 0; sent < 4_194_304; sent += block.length) await device.write(block)
  await reading
  assert.equal(got, 4_194_304)
  device.close()
})

test('what is no device is refused: polling a file would end the process', async () => {
  const file = join(root, 'file')
  await writeFile(file, '')
  assert.throws(() => new DeviceOpener().open(file), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => new DeviceOpener().open(join(root, 'nothing')), { code: 'UNAVAILABLE', stage: 'open' })
})

test('a guest opens its port, and is not deceived by a port that reflects', async () => {
  const port = await serialGuest({ portName: 'org.busbar.0', sysfs, dev, env })
  const waiting = port.accept()
  let settled = false
  waiting.then(
    () => {
      settled = true
    },
    () => {
      settled = true
    },
  )
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(settled, false)
  port.close()
  await assert.rejects(waiting, { code: 'CLOSED' })
})

test('a host meets a guest on a Unix socket, and again after either side has gone', async () => {
  const path = join(root, 'chardev')
  const guests: SerialPort[] = []
  const listener = await listenUnix(path, { onLink: (raw) => guests.push(new SerialPort(raw, { env })) })
  for (let round = 0; round < 3; round++) {
    const host = await serialHost(path, { env })
    const session = await host.accept()
    const guest = await guests[round]!.accept()
    assert.equal(session.epoch, guest.epoch)
    await session.write(Uint8Array.of(round))
    assert.deepEqual([...((await guest.read()) ?? [])], [round])
    host.close()
    assert.notEqual(await guest.closed, undefined)
  }
  await listener[Symbol.asyncDispose]()
})

test('a port whose other side is away is opened again after a pause, and its session is lost at once', async () => {
  const path = join(root, 'line')
  const listener = await listenUnix(path, {
    onLink: (raw) => {
      const port = new SerialPort(raw, { env })
      void port.accept().then((session) => session.write(Uint8Array.of(7)))
      others.push(port)
    },
  })
  const others: SerialPort[] = []
  const pauses: (() => void)[] = []
  const stepped: Env = { ...env }
  const reopen = async (): ReturnType<typeof connectUnix> => {
    await new Promise<void>((resolve) => pauses.push(resolve))
    return connectUnix(path)
  }
  const port = new SerialPort(await connectUnix(path), { env: stepped, reopen })
  const epochs = new Set<string>()
  for (let round = 0; round < 3; round++) {
    const session = await port.accept()
    epochs.add(session.epoch)
    assert.deepEqual([...((await session.read()) ?? [])], [7])
    others.at(-1)?.close()
    assert.equal((await session.closed)?.code, 'LINK_LOST')
    assert.equal(pauses.length, 1, 'it is opened once a pause, not in a loop')
    pauses.pop()?.()
  }
  assert.equal(epochs.size, 3)
  port.close()
  for (const other of others) other.close()
  await listener[Symbol.asyncDispose]()
})
