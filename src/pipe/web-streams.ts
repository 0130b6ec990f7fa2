import { ReadableStream, WritableStream } from 'node:stream/web'
import { BusbarError } from '../errors/index.ts'
import type { Pipe } from './handle.ts'

/** Both directions of a pipe. Each ends on its own: closing the writable leaves the readable open. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/**
 * A pipe as a pair of WHATWG streams, with back-pressure. Cancelling the readable or aborting the writable closes the pipe.
 * Node's own adapter is not used: there `close()` of the writer waits for the end of the other direction too.
 */
export function webStreams(pipe: Pipe): WebStreams {
  const close = (reason: unknown): void => {
    pipe.close(reason === undefined ? undefined : BusbarError.from(reason, 'CANCELLED'))
  }
  const readable = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const chunk = await pipe.read()
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk)
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  )
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => pipe.write(chunk),
    close: () => pipe.end(),
    abort: close,
  })
  return { readable, writable }
}
