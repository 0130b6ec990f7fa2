import { chmod, lstat, stat, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { BusbarError } from '../../errors/index.ts'
import type { ByteLink } from '../../link/index.ts'
import type { BusyPoller } from '../busy-poller.ts'
import type { TransportLimits } from '../limits.ts'
import { Acceptance } from './acceptance.ts'
import { slabLink, socketLink } from './link.ts'
import { checkSocketPath } from './path.ts'
import { systemCode } from './reason.ts'
import { SlabReader } from './slab-reader.ts'

/** Only the owner may connect: whoever reaches the socket speaks as the partition behind it (our choice). */
const DEFAULT_MODE = 0o600

export interface ListenOptions {
  /** Gives each accepted connection. The link passes to the callee. */
  onLink(link: ByteLink): void
  /** Accepting failed (such as no file descriptors left); the listener goes on. */
  onError?(reason: BusbarError): void
  /** Permissions of the socket file. Default `0o600`. */
  readonly mode?: number
  readonly limits?: Partial<TransportLimits>
  /** The one poller of a process that forwards between many links. */
  readonly poller?: BusyPoller
}

/** A listening Unix socket. Disposing it stops accepting and removes the file; links that were accepted live on. */
export interface UnixListener {
  readonly path: string
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Listens on a Unix socket at `path`. A socket file that nobody listens on any more is replaced; one that is alive is
 * `BUSY`, and a file that is no socket is `INVALID_ARGUMENT`. Rejects with `DENIED` or `UNAVAILABLE` when it cannot be created.
 */
export async function listenUnix(path: string, options: ListenOptions): Promise<UnixListener> {
  checkSocketPath(path)
  const mode = options.mode ?? DEFAULT_MODE
  let server: net.Server
  try {
    server = await listen(path, mode, options)
  } catch (thrown) {
    if (systemCode(thrown) !== 'EADDRINUSE') throw await whyListenFailed(path, thrown)
    await removeStale(path)
    server = await listen(path, mode, options).catch((again: unknown) => {
      throw listenFailed(path, again)
    })
  }
  // The umask can only take permissions away: this gives the ones that were asked for.
  try {
    await chmod(path, mode)
  } catch (thrown) {
    server.close()
    throw listenFailed(path, thrown)
  }
  server.on('error', (thrown) => {
    options.onError?.(new BusbarError('UNAVAILABLE', `accepting on ${path} failed`, { cause: thrown, stage: 'accept' }))
  })
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      // Removes the file at once; the callback would wait for every accepted link to end.
      if (server.listening) server.close()
    },
  }
}

function listen(path: string, mode: number, options: ListenOptions): Promise<net.Server> {
  // Nothing is read before the link is made.
  const { limits, poller } = options
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    options.onLink(socketLink(socket, limits, poller))
    socket.resume()
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.removeListener('error', reject)
      const acceptance = Acceptance.guard(server, (handle) => {
        const reader = SlabReader.of(handle)
        if (reader === undefined) return false
        options.onLink(slabLink(reader, limits, poller))
        reader.socket.resume()
        return true
      })
      server.once('close', () => acceptance?.[Symbol.dispose]())
      resolve(server)
    })
    // The file is created inside this call: with a strict umask it is at no moment more open than asked for.
    const before = isMainThread ? process.umask(0o777 & ~mode) : undefined
    try {
      server.listen({ path })
    } finally {
      if (before !== undefined) process.umask(before)
    }
  })
}

/** Removes the socket file at `path` if connecting proves that nobody listens. */
async function removeStale(path: string): Promise<void> {
  const before = await lstat(path).catch(() => undefined)
  if (before === undefined) return
  if (!before.isSocket()) {
    throw new BusbarError('INVALID_ARGUMENT', `${path} exists and is not a socket`, {
      stage: 'listen',
      hints: ['Choose another path, or remove the file.'],
    })
  }
  if (await isAlive(path)) {
    throw new BusbarError('BUSY', `another process listens on ${path}`, {
      stage: 'listen',
      hints: ['Stop it, or choose another path.'],
    })
  }
  const now = await lstat(path).catch(() => undefined)
  // Another process may have replaced it meanwhile; the second listen() will tell.
  if (now?.ino === before.ino && now.dev === before.dev) await unlink(path).catch(() => {})
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path })
    const settle = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', (thrown) => settle(systemCode(thrown) !== 'ECONNREFUSED' && systemCode(thrown) !== 'ENOENT'))
  })
}

/** As `listenFailed`, and tells a missing directory from a forbidden one: libuv reports both as EACCES. */
async function whyListenFailed(path: string, thrown: unknown): Promise<BusbarError> {
  const directory = dirname(path)
  const missing = await stat(directory).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  )
  if (!missing) return listenFailed(path, thrown)
  return new BusbarError('UNAVAILABLE', `listening on ${path} failed: there is no directory ${directory}`, {
    cause: thrown,
    stage: 'listen',
    hints: [`Create it: mkdir -p ${directory}`],
  })
}

function listenFailed(path: string, thrown: unknown): BusbarError {
  if (thrown instanceof BusbarError) return thrown
  const system = systemCode(thrown) ?? 'an error'
  const code = system === 'EACCES' || system === 'EPERM' ? 'DENIED' : system === 'EADDRINUSE' ? 'BUSY' : 'UNAVAILABLE'
  return new BusbarError(code, `listening on ${path} failed (${system})`, { cause: thrown, stage: 'listen' })
}
