/** Records what judges and those whom they judge say to each other. */
import { writeFile } from 'node:fs/promises'
import { Capture, type PipeTap } from '../../src/capture/index.ts'
import type { ByteLink } from '../../src/link/index.ts'

export interface Recording {
  /** The same link, with what crosses it recorded; `ours` is what this end of it is. */
  tap(link: ByteLink, ours?: 'client' | 'server'): ByteLink
  /** Writes the file. */
  keep(): Promise<void>
}

export function recording(path: string): Recording {
  const capture = new Capture({
    now: () => Date.now() * 1_000,
    application: 'judged program',
    limits: { queue: 1 << 30 },
  })
  let links = 0
  return {
    tap(link, ours = 'server') {
      const pipe = { caller: `judge-${++links}`, callerEpoch: 1, partition: 'server', service: 'rpc' } as const
      const tap = capture.opened({ ...pipe, mode: 'byte', joinedLate: false, packets: undefined })
      return tap === undefined ? link : tapped(link, tap, ours === 'client')
    },
    async keep() {
      capture.finish()
      const blocks: Uint8Array[] = []
      for (let block = await capture.read(); block !== undefined; block = await capture.read()) blocks.push(block)
      await writeFile(path, blocks)
    },
  }
}

/** Records every link; the file is complete when the server was asked to end. */
export function recorder(path: string): (link: ByteLink) => ByteLink {
  const made = recording(path)
  process.once('SIGTERM', () => void made.keep().then(() => process.exit(0)))
  return (link) => made.tap(link)
}

/** The same link, with what crosses it told to the tap. */
function tapped(link: ByteLink, tap: PipeTap, calls: boolean): ByteLink {
  const heard = (chunk: Uint8Array | undefined): Uint8Array | undefined => {
    if (chunk === undefined) tap.ended(!calls)
    else tap.bytes(!calls, chunk)
    return chunk
  }
  void link.closed.then((reason) => tap.closed(reason))
  return {
    closed: link.closed,
    read() {
      const chunk = link.read()
      return chunk instanceof Promise ? chunk.then(heard) : heard(chunk)
    },
    write(chunk) {
      tap.bytes(calls, chunk)
      return link.write(chunk)
    },
    end() {
      tap.ended(calls)
      return link.end()
    },
    close: (reason) => link.close(reason),
  }
}
