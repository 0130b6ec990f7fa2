/** Runs in `web`, the machine without a disk: what it knows of files, it knows over the bus. */
import { createHash, randomBytes } from 'node:crypto'
import { attach } from '../../agent/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { FileStore } from '../../services/index.ts'
import { Patience, Visitor } from './contracts.ts'

const bus = await attach()

const openStore = () => bus.activate(FileStore, { in: 'storage', wait: true })

/** What a call that has to go wrong went wrong with. */
async function failureOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call
    return { code: 'NONE', message: 'nothing went wrong, and something should have' }
  } catch (thrown) {
    const { code, message } = BusbarError.from(thrown)
    return { code, message }
  }
}

await bus.offer(Visitor, {
  async list({ path }) {
    await using store = await openStore()
    const entries: { name: string; size: number }[] = []
    for await (const { name, size } of store.list({ path })) entries.push({ name, size })
    return entries
  },

  async stat({ path }) {
    await using store = await openStore()
    return await store.stat({ path })
  },

  async *download({ path }) {
    await using store = await openStore()
    await using file = await store.open({ path })
    const hash = createHash('sha256')
    let done = 0
    let told = 0
    for await (const chunk of file.content({ offset: 0 })) {
      hash.update(chunk)
      done += chunk.length
      if (done - told < 1_048_576) continue
      told = done
      yield { done }
    }
    yield { done, sha256: hash.digest('hex') }
  },

  async callOutsideContract() {
    const pipe = await bus.openPipe('storage/busbar.FileStore', { wait: true })
    const objects = bus.objects(pipe)
    const store = await objects.activate(FileStore)
    const before = pipe.bytesWritten
    // TypeScript would not let it through; JavaScript would.
    const { format } = store as unknown as Record<string, (args: object) => Promise<void>>
    const failure = await failureOf((async () => format?.({ path: '/' }))())
    const bytesSent = pipe.bytesWritten - before
    objects.close()
    return { ...failure, bytesSent }
  },

  async writeGarbage() {
    await using store = await openStore()
    const pipe = await bus.openPipe('storage/busbar.FileStore')
    await pipe.write(randomBytes(4096))
    const failure = await failureOf(pipe.read())
    const { kind } = await store.stat({ path: '/' })
    return { ...failure, othersWork: kind === 'directory' }
  },

  openForbidden: () => failureOf(bus.openPipe('storage/demo.Secret')),

  async *waitForStorage({ ms }) {
    await using patience = await bus.activate(Patience, { in: 'storage', wait: true })
    const failure = failureOf(patience.wait({ ms }))
    yield { code: '', message: 'calling' }
    yield await failure
  },
})
await bus.closed
