import assert from 'node:assert/strict'
import { BusbarError, type ErrorCode } from '../errors/index.ts'
import { memoryPair, StillEnv } from '../testing/index.ts'
import { type CallContext, type Caller, contract, method, RpcAccess, t } from '../rpc/index.ts'
import { ClassTable } from './classes.ts'
import { ObjectClient, type ObjectClientOptions } from './client.ts'
import type { Hooks } from './hooks.ts'
import type { ObjectLimits } from './limits.ts'
import type { PeerUsage } from './peer-usage.ts'
import { ReturnChannels } from './return-channels.ts'
import { ringPair, type TestLink } from './ring-pair.test.ts'
import { ObjectServer } from './server.ts'

/** `rings.test.ts` runs tests of others once more, with every link on rings. */
const ON_RINGS = process.env['BUSBAR_TEST_RINGS'] === 'on'
/** Macrotasks until everything that is ready has happened: to be woken takes some on rings. */
const TURNS = ON_RINGS ? 50 : 5

/** Two ends of a link, as all worlds here have them. */
export function linkPair(): [TestLink, TestLink] {
  return ON_RINGS ? ringPair() : memoryPair()
}

export const File = contract(
  'files.File',
  { version: '1.0' },
  { read: method({ offset: t.uint53, length: t.uint32 }, t.bytes), close: method({}, t.void) },
)

const Entry = t.struct({ name: t.string, size: t.uint53 })

export const FileStore = contract(
  'files.FileStore',
  { version: '1.0' },
  {
    stat: method({ path: t.string }, t.struct({ size: t.uint53, modified: t.date })),
    open: method({ path: t.string }, t.ref(File)),
    list: method({ path: t.string }, t.stream(Entry)),
    openMany: method({ count: t.uint32 }, t.array(t.struct({ name: t.string, file: t.ref(File) }))),
    chunks: method({ count: t.uint32, size: t.uint32 }, t.stream(t.bytes)),
    fail: method({ how: t.string }, t.void),
    wait: method({}, t.void),
  },
)

/** A file that counts its reads and its end. */
export class MemoryFile {
  readonly name: string
  readonly #store: Store
  constructor(name: string, store: Store) {
    this.name = name
    this.#store = store
    store.open_++
  }

  read({ offset, length }: { offset: number; length: number }): Uint8Array {
    return new TextEncoder().encode(this.name).subarray(offset, offset + length)
  }

  close(): void {}

  [Symbol.dispose](): void {
    this.#store.open_--
    this.#store.disposed.push(this.name)
  }
}

/** A component that does what the tests need. */
export class Store {
  open_ = 0
  calls = 0
  readonly disposed: string[] = []
  readonly contexts: CallContext[] = []
  waiting: (() => void)[] = []
  failure: unknown = new Error('no')
  /** What was produced by streams, and how each ended. */
  produced = 0
  readonly ended: string[] = []
  shared: MemoryFile | undefined

  stat({ path }: { path: string }, context: CallContext): { size: number; modified: Date } {
    this.calls++
    this.contexts.push(context)
    return { size: path.length, modified: new Date(1000) }
  }

  open({ path }: { path: string }): MemoryFile {
    this.calls++
    if (path === '/shared') {
      this.shared ??= new MemoryFile(path, this)
      return this.shared
    }
    return new MemoryFile(path, this)
  }

  async *list({ path }: { path: string }, context: CallContext): AsyncGenerator<{ name: string; size: number }> {
    this.contexts.push(context)
    const signal = path === '/stuck' ? context.signal : undefined
    try {
      for (let i = 0; path === '/endless' || i < 2500; i++) {
        if (path === '/broken' && i === 10) throw Object.assign(new TypeError('broken entry'), { code: 'EBROKEN' })
        if (path === '/stuck' && i === 3) {
          await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
          return
        }
        this.produced++
        yield { name: `file-${i}`, size: i }
      }
      this.ended.push('returned')
    } finally {
      this.ended.push(context.signal.aborted ? 'aborted' : 'finally')
    }
  }

  openMany({ count }: { count: number }): { name: string; file: MemoryFile }[] {
    return Array.from({ length: count }, (_, i) => ({ name: `n${i}`, file: new MemoryFile(`f${i}`, this) }))
  }

  *chunks({ count, size }: { count: number; size: number }): Generator<Uint8Array> {
    try {
      for (let i = 0; i < count; i++) {
        this.produced++
        yield new Uint8Array(size).fill(i)
      }
    } finally {
      this.ended.push('chunks')
    }
  }

  fail(): void {
    throw this.failure
  }

  wait(_: unknown, context: CallContext): Promise<void> {
    this.contexts.push(context)
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}

export interface World {
  env: StillEnv
  classes: ClassTable
  store: Store
  client: ObjectClient
  server: ObjectServer
  /** The client's and the server's end of the pipe. */
  links: [TestLink, TestLink]
  /** The same of the return channel, once it was opened. */
  returned: [TestLink, TestLink][]
  channels: ReturnChannels
}

interface Settings {
  env?: StillEnv
  classes?: ClassTable
  server?: Partial<ObjectLimits>
  client?: Partial<ObjectLimits>
  onProxy?: ObjectClientOptions['onProxy']
  onBorrowed?: ObjectClientOptions['onProxy']
  caller?: Caller
  clientHooks?: Hooks
  serverHooks?: Hooks
  usage?: PeerUsage
  /** The association group that the client joins. */
  group?: number
}

export function world(settings: Settings = {}): World {
  const env = settings.env ?? new StillEnv()
  const store = new Store()
  const classes = settings.classes ?? new ClassTable()
  if (settings.classes === undefined) classes.offer(FileStore, store)
  const links = linkPair()
  const channels = new ReturnChannels(env)
  const returned: [TestLink, TestLink][] = []
  const caller = settings.caller ?? { partition: 'web', epoch: 3 }
  const server = new ObjectServer(new RpcAccess(links[1]), {
    env,
    classes,
    caller,
    returns: channels,
    ...(settings.onBorrowed === undefined ? {} : { onProxy: settings.onBorrowed }),
    ...(settings.serverHooks === undefined ? {} : { hooks: settings.serverHooks }),
    ...(settings.usage === undefined ? {} : { usage: settings.usage }),
    ...(settings.server === undefined ? {} : { limits: settings.server }),
  })
  const client = new ObjectClient(new RpcAccess(links[0]), {
    env,
    returns: {
      peer: { partition: 'storage', epoch: 0 },
      open: async (token) => {
        const pair = linkPair()
        returned.push(pair)
        channels.claim(token, caller, new RpcAccess(pair[1]))
        return new RpcAccess(pair[0])
      },
    },
    ...(settings.group === undefined ? {} : { group: settings.group }),
    ...(settings.clientHooks === undefined ? {} : { hooks: settings.clientHooks }),
    ...(settings.client === undefined ? {} : { limits: settings.client }),
    ...(settings.onProxy === undefined ? {} : { onProxy: settings.onProxy }),
  })
  return { env, classes, store, client, server, links, returned, channels }
}

/** Lets everything that is ready happen, a few macrotasks deep. */
export async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

export function code(expected: ErrorCode, about?: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof BusbarError, String(thrown))
    assert.equal(thrown.code, expected, thrown.message)
    if (about !== undefined) assert.match(thrown.message, about)
    return true
  }
}

/** Ends a world and checks that nothing is left of it. */
export async function end({ client, server, env, store, channels }: World): Promise<void> {
  client.close()
  await Promise.all([client.closed, server.closed])
  await settle()
  const [ours, theirs] = [client.inspect(), server.inspect()]
  assert.deepEqual([ours.exports, ours.imports, theirs.exports, theirs.imports], [{}, {}, {}, {}])
  assert.equal(channels.waiting, 0)
  assert.deepEqual(counts({ client, server }), { held: 0, given: 0, streams: 0, pending: 0, running: 0 })
  assert.equal(env.timers, 0)
  assert.equal(store.open_, 0)
}

export function counts({ client, server }: Pick<World, 'client' | 'server'>): Record<string, number> {
  const ours = client.inspect()
  const theirs = server.inspect()
  return {
    held: ours.references,
    given: theirs.objects,
    streams: theirs.streams,
    pending: ours.rpc.calls.pending,
    running: theirs.rpc.calls.running,
  }
}
