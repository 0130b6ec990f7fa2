import { BusbarError } from '../errors/index.ts'
import type { ByteLink, LinkSink } from './link.ts'

/**
 * Gives everything that arrives on a link to `sink`, and nothing else may read it then. Links that can do it themselves spare
 * a promise for each chunk; of the others the chunks are read one by one. A failure of the link is told by its `closed`.
 */
export function flow(link: ByteLink, sink: LinkSink): void {
  if (link.flow !== undefined) link.flow(sink)
  else void pull(link, sink)
}

async function pull(link: ByteLink, sink: LinkSink): Promise<void> {
  try {
    for (;;) {
      let chunk = link.read()
      if (chunk instanceof Promise) chunk = await chunk
      if (chunk === undefined) break
      const room = sink.chunk(chunk)
      if (room instanceof Promise) await room
    }
  } catch (thrown) {
    // Either the link is closed already, or the sink refused the bytes.
    return link.close(BusbarError.from(thrown))
  }
  sink.end()
}
