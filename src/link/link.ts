import type { BusbarError } from '../errors/index.ts'

/** A value that may be there already. `await` takes both; hot loops test for the promise and save the wait. */
export type Awaitable<T> = T | Promise<T>

/**
 * A two-way byte link: the contract that sockets, serial ports, mux streams, channels and rings all keep, so that
 * everything above runs over any of them. Bytes arrive complete, in order, in chunks of any size.
 *
 * Half-close works in each direction: `end` finishes this side's bytes and leaves the other direction alone.
 * A link is over when both directions have ended, when either side closed it, or when the medium broke.
 */
export interface ByteLink {
  /**
   * The next bytes, never an empty chunk; `undefined` once the peer has ended and everything was read. The chunk passes
   * to the caller, who may keep it but not write to it. At most one read may be pending; a second is `INVALID_ARGUMENT`.
   * Rejects with the reason when the link closed abnormally, at once, even when bytes were still unread.
   */
  read(): Awaitable<Uint8Array | undefined>

  /**
   * Instead of `read`: gives every chunk to `sink` as it arrives, without a promise for each, and then the end. Not every link
   * has it: call `flow(link, sink)`, which works on all.
   */
  flow?(sink: LinkSink): void

  /**
   * Instead of giving them to the sink of `flow`, which has taken all before and holds nothing: copies into `buffer` what is here, how many `bytes`. 0 where nothing
   * is here, now or ever, or where others have their turn first: then the sink gets it. Without it, always 0.
   */
  takeInto?(buffer: Uint8Array): number

  /**
   * Sends bytes. They pass to the link: nobody may change them afterwards. Returns nothing when more may be written now,
   * or a promise to wait for before writing more: this is the back-pressure, and a caller that ignores it grows its own
   * memory only. Rejects with `ENDED` after `end`, else with the reason the link closed.
   */
  write(chunk: Uint8Array): Awaitable<void>

  /** As `write` of each, one behind the other and nothing between them, where it costs less. */
  writeAll?(chunks: readonly Uint8Array[]): Awaitable<void>

  /**
   * Whether a write that asked nobody to wait has copied its bytes: then their memory is the caller's again when it returns. Looked at
   * behind each write. Without it, no.
   */
  readonly copies?: boolean

  /** From how many `bytes` on small messages that are gathered should leave, where a write costs this link more than others, or less. May change with each write. */
  readonly batch?: number | undefined

  /**
   * This link will carry bulk, and nothing small that must not wait behind it: it may let more of it be under way. With `false`, that is over. Where it makes no
   * difference, there is none.
   */
  favourBulk?(alone?: boolean): void

  /** Ends this direction after what was written. Idempotent. Settles when the end was handed to the medium. */
  end(): Awaitable<void>

  /**
   * Closes both directions at once; what is unread or unsent is dropped. Idempotent, first reason wins. Everything
   * pending here rejects with `reason` (default `CLOSED`); the peer sees the same code where the medium can carry it, else `RESET`
   * or `LINK_LOST`.
   */
  close(reason?: BusbarError): void

  /** Settles once, never rejects: `undefined` when both directions ended in order, else the reason. */
  readonly closed: Promise<BusbarError | undefined>
}

/** Who takes what arrives on a link. A failure of the link is told by `closed` alone, and nothing comes after it. */
export interface LinkSink {
  /**
   * Takes a chunk, under the rules of `read`. What follows waits for the promise, if there is one; a promise that rejects
   * closes the link with its reason. Must not throw.
   */
  chunk(bytes: Uint8Array): Awaitable<void>
  /** The peer has ended, and every chunk was taken. Must not throw. */
  end(): void
  /**
   * Takes a chunk of at most `room` bytes that is only lent: its memory is the link's again when this returns, so what is kept is
   * copied. A link that reads into the same memory again and again spares the garbage collector all of what it carries.
   * Otherwise as `chunk`; a link may always give chunks instead. `shared`: of those that are `blind`, in memory that somebody else may be writing to.
   */
  borrow?(bytes: Uint8Array, shared: boolean): Awaitable<void>
  /** How many `bytes` it would borrow now. Without it, none. */
  readonly room?: number
  /**
   * Memory that the next bytes are wanted in, where that is known: a link may read them into it instead of its own memory, and lends what it read from its start. It is
   * asked for anew behind each read, since what is full may belong to somebody by then.
   */
  readonly place?: Uint8Array | undefined
  /**
   * Whether the chunk that it took last was copied, or has left: then its memory is the link's again. Looked at behind each `chunk`.
   * Without it, no.
   */
  readonly copies?: boolean
  /** How many of those it would copy without a look at them: all that may be lent of memory that somebody else writes to. */
  readonly blind?: number
  /** While it waits nothing need be read ahead for it: what comes in small parts is put together below. Without it, some is. */
  readonly patient?: boolean
  /** It has all the bytes that it asked for, and will ask for more: a link that can wait a turn of the event loop, does. */
  readonly sated?: boolean
}

/** A link that keeps boundaries: each `read` gives exactly what one `write` took. */
export interface MessageLink extends ByteLink {
  /** Longest message that may be written or will be delivered, in `bytes`. */
  readonly maxMessage: number
}
