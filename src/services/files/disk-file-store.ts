import type { Stats } from 'node:fs'
import { type FileHandle, readdir } from 'node:fs/promises'
import { BusbarError } from '../../errors/index.ts'
import type { Implementation } from '../../rpc/index.ts'
import { openBeneath } from './beneath.ts'
import type { File, FileStore } from './contract.ts'

/** Most bytes that one `read` gives, whatever was asked for (our choice: a reader that wants more streams). */
const MAX_READ = 1_048_576
/** Bytes in one chunk of `content` (our choice: nearly a page of a stream, so that each answer is full). */
const CHUNK = 245_760

interface Entry {
  name: string
  kind: 'file' | 'directory'
  size: number
  modified: Date
}

/** A directory of this machine as a component. Serves regular files and directories below `root`, nothing else. */
export class DiskFileStore implements Implementation<typeof FileStore> {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async stat({ path }: { path: string }): Promise<Entry> {
    const handle = await openBeneath(this.#root, path)
    try {
      return entryOf(nameOf(path), await handle.stat())
    } finally {
      await handle.close()
    }
  }

  async *list({ path }: { path: string }): AsyncGenerator<Entry> {
    const directory = await openBeneath(this.#root, path)
    try {
      // Through the handle: what is listed is what was opened.
      const names = await readdir(`/proc/self/fd/${directory.fd}`)
      for (const name of names.sort()) {
        const entry = await this.stat({ path: `${path}/${name}` }).catch(() => undefined)
        // Links, devices and what vanished meanwhile are left out.
        if (entry !== undefined) yield entry
      }
    } finally {
      await directory.close()
    }
  }

  async open({ path }: { path: string }): Promise<DiskFile> {
    const handle = await openBeneath(this.#root, path)
    try {
      const stats = await handle.stat()
      if (!stats.isFile()) throw new BusbarError('INVALID_ARGUMENT', 'not a regular file')
      return new DiskFile(nameOf(path), handle)
    } catch (thrown) {
      await handle.close()
      throw thrown
    }
  }
}

/** One open file. Takes the handle. */
class DiskFile implements Implementation<typeof File> {
  readonly #name: string
  readonly #handle: FileHandle

  constructor(name: string, handle: FileHandle) {
    this.#name = name
    this.#handle = handle
  }

  async read({ offset, length }: { offset: number; length: number }): Promise<Uint8Array> {
    const buffer = new Uint8Array(Math.min(length, MAX_READ))
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, offset)
    return buffer.subarray(0, bytesRead)
  }

  async *content({ offset }: { offset: number }): AsyncGenerator<Uint8Array> {
    let coming = this.#ahead(offset)
    for (let at = offset; ; ) {
      const chunk = await coming
      if (chunk.length === 0) return
      at += chunk.length
      // The disk works while the last chunk travels.
      coming = this.#ahead(at)
      yield chunk
    }
  }

  async stat(): Promise<Entry> {
    return entryOf(this.#name, await this.#handle.stat())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }

  /** A read that may be left unread when the caller leaves. */
  #ahead(offset: number): Promise<Uint8Array> {
    const coming = this.read({ offset, length: CHUNK })
    coming.catch(() => {})
    return coming
  }
}

function nameOf(path: string): string {
  return path.split('/').findLast((part) => part !== '') ?? '/'
}

function entryOf(name: string, stats: Stats): Entry {
  if (!stats.isFile() && !stats.isDirectory()) {
    throw new BusbarError('DENIED', 'neither a regular file nor a directory')
  }
  return { name, kind: stats.isFile() ? 'file' : 'directory', size: stats.size, modified: stats.mtime }
}
