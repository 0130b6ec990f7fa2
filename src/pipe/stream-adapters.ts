import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { BusbarError } from '../errors/index.ts'

/** What a stream of a component is: it can be iterated once, and leaving it releases its producer. */
interface Items<T> {
  next(): Promise<IteratorResult<T, undefined>>
  return(): Promise<IteratorResult<T, undefined>>
}

/**
 * A stream of a component as a WHATWG stream. Nothing is read before somebody asks; cancelling it releases the producer at once. The other
 * way needs no adapter: a ReadableStream can be given wherever a stream can.
 */
export function toWeb<T>(stream: Items<T>): ReadableStream<T> {
  return new ReadableStream<T>(
    {
      pull: async (controller) => {
        const { done, value } = await stream.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => {
        await stream.return()
      },
    },
    { highWaterMark: 0 },
  )
}

/**
 * A stream of bytes as a Node stream, which gives Buffers. Destroying it releases the producer at once; a failure is its `'error'`. The
 * other way needs no adapter: a Readable can be given wherever a stream can.
 */
export function toNode(stream: Items<Uint8Array>): Readable {
  return new Readable({
    read() {
      stream.next().then(
        ({ done, value }) => {
          // An empty chunk would look like none at all, and nothing would be read any more.
          if (done === true) this.push(null)
          else if (value.length === 0) this._read(0)
          else this.push(Buffer.from(value.buffer, value.byteOffset, value.length))
        },
        (thrown: unknown) => this.destroy(BusbarError.from(thrown)),
      )
    },
    destroy(error, done) {
      stream.return().then(
        () => done(error),
        () => done(error),
      )
    },
  })
}
