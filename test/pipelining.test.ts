/** Pipelined calls between partitions of one bus: through the broker, and on to a third. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Client, contract, method, t } from '../src/rpc/index.ts'
import { code, MemoryBus, until } from './memory-bus.ts'

const File = contract(
  'test.File',
  { version: '1.0' },
  { read: method({}, t.string), lines: method({}, t.stream(t.string)), hang: method({}, t.void) },
)
const Folder = contract('test.Folder', { version: '1.0' }, { open: method({ name: t.string }, t.ref(File)) })
const Disk = contract(
  'test.Disk',
  { version: '1.0' },
  { folder: method({ name: t.string }, t.ref(Folder)), slow: method({}, t.ref(Folder)) },
)

class DiskComponent {
  open = 0
  readonly slowly: (() => void)[] = []

  folder({ name: folder }: { name: string }) {
    if (folder === 'none') throw Object.assign(new Error('there is none'), { code: 'ENOENT' })
    return {
      open: ({ name }: { name: string }) => {
        this.open++
        return {
          read: () => `${folder}/${name}`,
          *lines() {
            yield folder
            yield name
          },
          hang: () => new Promise<void>(() => {}),
          [Symbol.dispose]: () => {
            this.open--
          },
        }
      },
    }
  }

  slow() {
    return new Promise<ReturnType<DiskComponent['folder']>>((resolve) => {
      this.slowly.push(() => resolve(this.folder({ name: 'slow' })))
    })
  }
}

/** Passes on what another partition gives. */
class Front {
  readonly #disk: Client<typeof Disk>

  constructor(disk: Client<typeof Disk>) {
    this.#disk = disk
  }

  folder(args: { name: string }) {
    return this.#disk.folder(args)
  }

  slow() {
    return this.#disk.slow()
  }
}

describe('pipelined calls across partitions', { timeout: 60_000 }, () => {
  // The bus's own timers do not keep a process alive, and here everything is in memory.
  const alive = setInterval(() => {}, 1000)
  after(() => clearInterval(alive))

  test('through the broker, again and again, with a stream, a failure and a release', async () => {
    const bus = new MemoryBus()
    const [storage, web] = [await bus.partition('storage'), await bus.partition('web')]
    const component = new DiskComponent()
    await storage.bus.offer(Disk, component)
    const disk = await web.bus.activate(Disk, { in: 'storage' })
    for (let i = 0; i < 3; i++) {
      using folder = disk.folder({ name: 'docs' })
      using file = folder.open({ name: `${i}` })
      assert.equal(await file.read(), `docs/${i}`)
      const lines: string[] = []
      for await (const line of file.lines()) lines.push(line)
      assert.deepEqual(lines, ['docs', `${i}`])
    }
    await until(() => component.open === 0)
    const failed = disk.folder({ name: 'none' }).open({ name: 'a' }).read()
    await assert.rejects(failed, (thrown: { remote?: { code?: string } }) => thrown.remote?.code === 'ENOENT')
    bus.close()
  })

  test('on to a third partition, which dies while calls wait for what it gives', async () => {
    const bus = new MemoryBus((from, to) => `${from} ${to}` !== 'web storage')
    const [storage, middle, web] = [
      await bus.partition('storage'),
      await bus.partition('middle'),
      await bus.partition('web'),
    ]
    const component = new DiskComponent()
    await storage.bus.offer(Disk, component)
    await middle.bus.offer(Disk, new Front(await middle.bus.activate(Disk, { in: 'storage' })))
    const disk = await web.bus.activate(Disk, { in: 'middle' })
    for (let i = 0; i < 2; i++) assert.equal(await disk.folder({ name: 'a' }).open({ name: 'b' }).read(), 'a/b')
    const [slow, running] = [disk.slow(), disk.folder({ name: 'a' }).open({ name: 'b' })]
    const waiting = [slow.open({ name: 'c' }).read(), slow, running.hang()]
    for (const each of waiting as Promise<unknown>[]) each.catch(() => {})
    await until(() => component.slowly.length === 1 && component.open === 3)
    storage.die()
    const [opened, folder, hanging] = await Promise.allSettled(waiting as Promise<unknown>[])
    assert.ok(opened?.status === 'rejected' && folder?.status === 'rejected' && hanging?.status === 'rejected')
    // Both say what the call said that was to give the folder; what was passed on says that its partition died.
    assert.equal(opened.reason, folder.reason)
    assert.ok(code('PEER_DIED')(hanging.reason))
    bus.close()
  })

  test('the partition that serves them dies: all of them settle with the same code', async () => {
    const bus = new MemoryBus()
    const [storage, web] = [await bus.partition('storage'), await bus.partition('web')]
    const component = new DiskComponent()
    await storage.bus.offer(Disk, component)
    const disk = await web.bus.activate(Disk, { in: 'storage' })
    await disk.folder({ name: 'a' }).open({ name: 'b' }).read()
    const slow = disk.slow()
    const file = slow.open({ name: 'c' })
    const calls: Promise<unknown>[] = [slow, file, file.read(), file.lines().next()]
    for (const each of calls) each.catch(() => {})
    await until(() => component.slowly.length === 1)
    storage.die()
    for (const each of calls) await assert.rejects(each, code('PEER_DIED'))
    bus.close()
  })
})
