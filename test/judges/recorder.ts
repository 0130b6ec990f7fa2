/** Records what judges and the server that they judge say to each other. */
import { writeFile } from 'node:fs/promises'
import { Capture, type PipeTap } from '../../src/capture/index.ts'
import type { ByteLink } from '../../src/link/index.ts'

/** Records every link; the file is complete when the server was asked to end. */
export function recorder(path: string): (link: ByteLink) => ByteLink {
  const capture = new Capture({
    now: () => Date.now() * 1_000,
    application: 'judged server',
    limits: { queue: 1 << 30 },
  })
  process.once('SIGTERM', () => {
    capture.finish()
    void keep(capture, path).then(() => process.exit(0))
  })
  let links = 0
  return (link) => {
    const pipe = { caller: `judge-${++links}`, callerEpoch: 1, partition: 'server', service: 'rpc' } as const
    const tap = capture.opened({ ...pipe, mode: 'byte', joinedLate: false, packets: undefined })
    return tap === undefined ? link : tapped(link, tap)
  }
}

async function keep(capture: Capture, path: string): Promise<void> {
  const blocks: Uint8Array[] = []
  for (;;) {
    const block = await capture.read()
    if (block === undefined) break
    blocks.push(block)
  }
  await writeFile(path, blocks)
}

/** The same link, with what crosses it told to the tap. */
function tapped(link: ByteLink, tap: PipeTap): ByteLink {
  const heard = (chunk: Uint8Array | undefined): Uint8Array | undefined => {
    if (chunk === undefined) tap.ended(true)
    else tap.bytes(true, chunk)
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
      tap.bytes(false, chunk)
      return link.write(chunk)
    },
    end() {
      tap.ended(false)
      return link.end()
    },
    close: (reason) => link.close(reason),
  }
}
