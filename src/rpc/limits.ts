import { BusbarError } from '../errors/index.ts'

/**
 * What one association may cost. Every quantity that a peer could grow has its bound here. What is said of a caller, or of one process, counts on all
 * links to the servers of that process: where those have different limits, each judges the links to itself by its own.
 */
export interface RpcLimits {
  /** Largest PDU sent or accepted, `bytes`. */
  readonly fragment: number
  /** Largest request stub after reassembly, `bytes`. */
  readonly request: number
  /** Largest response stub after reassembly, `bytes`. */
  readonly response: number
  /**
   * What all unfinished responses of one client may hold together, and what all requests of one caller that came in
   * fragments may, on all its links until they are answered, `bytes`.
   */
  readonly reassembly: number
  /** What is kept of that for a caller's next requests, where whoever served others has given it back, `bytes`; 0 keeps none. */
  readonly spare: number
  /** What a client may send of a request that was refused at its first fragment, `bytes`. */
  readonly refused: number
  /** Calls at the same time on one association, `calls`. */
  readonly calls: number
  /** Presentation contexts on one association, `contexts`. */
  readonly contexts: number
  /** Answers that a peer has not read, above which the server reads no more requests, `bytes`. */
  readonly unsent: number
  /** Answers that a peer has not read, above which the server closes the link, `bytes`. */
  readonly backlog: number
  /** Time that a client which broke the protocol has to read why, before the server closes the link, `milliseconds`. */
  readonly linger: number
  /** Contexts that are not accepted and calls that cannot be, or not be read, of one association, above which the server closes the link. */
  readonly mistakes: number
  /** Time that a client of which no more is read, because it does not read its answers, has to read some, before the server closes the link, `milliseconds`. */
  readonly stalled: number
  /** Time that a client has to bind, from when its link is read, before the server closes the link, `milliseconds`. */
  readonly unbound: number
  /**
   * Time in which some of a PDU or of a request in fragments that a client has begun has to come, before the server closes the link, or gives up the request
   * where the client goes on with others, `milliseconds`: see `Patience`.
   */
  readonly unfinished: number
  /** Associations of one caller at the same time, on all its links to the servers of one process; further links are closed. */
  readonly callerLinks: number
  /** Answers that one caller has not read, on all its links that take no more, above which the server reads no more of those, `bytes`. */
  readonly callerUnsent: number
  /** How long the next association of a caller that was cut off is put off, `milliseconds`: doubled each time, and then one begins after the other. */
  readonly putOff: number
  /** What the doubling stops at, `milliseconds`; twice as long after the last offence all of them are forgotten. */
  readonly putOffMost: number
  /** Callers without a link of which it is remembered that they were cut off. */
  readonly callers: number
  /**
   * Associations of callers without a name that were not answered a call yet, in one process: of more, the one that has been there longest is closed. Where they are
   * put off, as many again may wait, and further links are closed.
   */
  readonly newcomers: number
  /** How long after the last one each of those begins, when callers without a name were cut off lately, `milliseconds`. */
  readonly newcomerPutOff: number
  /** Time between asking the server to cancel a call and orphaning it, `milliseconds`. */
  readonly cancelGrace: number
}

/** `max_xmit_frag` is a u16 and a fragment is a multiple of 8, so this is the ceiling (C706 12.6.4.3, MS-RPCE 3.3.1.5). */
export const MAX_FRAGMENT = 65_528
/** Every peer accepts at least this (observed of Windows Server 2012 R2 and Samba; C706 asks for 1432). */
export const MIN_FRAGMENT = 2_048

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  /** The largest there is: fewest headers, and a mux below still interleaves. */
  fragment: MAX_FRAGMENT,
  /** "SHOULD NOT exceed 4 megabytes" (MS-RPCE 3.3.3.5.4); bulk travels as objects. */
  request: 4 * 1024 * 1024,
  /** Our choice: sixteen times the request, far below what a heap holds. */
  response: 64 * 1024 * 1024,
  /** Our choice: two of the largest at once. */
  reassembly: 128 * 1024 * 1024,
  /** Our choice: two requests of the largest default size. */
  spare: 8 * 1024 * 1024,
  /** Our choice: four requests of the largest default size. */
  refused: 16 * 1024 * 1024,
  /** Our choice: sixteen times what already saturates a socket. */
  calls: 1_024,
  /** Our choice: one per interface that a program uses, and few programs use more than a dozen. */
  contexts: 64,
  /** Our choice: several windows of a mux stream. */
  unsent: 1024 * 1024,
  /** Our choice: four of the largest responses at once. */
  backlog: 256 * 1024 * 1024,
  /** Our choice: ample for a fault to be read. */
  linger: 1_000,
  /** Our choice: more than any honest client makes, which is told of each. */
  mistakes: 256,
  /** Our choice: a reader that is busy, or a machine that is, comes back sooner. */
  stalled: 30_000,
  /** Our choice: a client binds at once. */
  unbound: 60_000,
  /** Our choice: a machine that stands still for a snapshot has begun nothing, more often than not, or comes back sooner. */
  unfinished: 60_000,
  /** Our choice: above the channels that one caller may have to one session of the bus. */
  callerLinks: 256,
  /** Our choice: sixteen links that are at `unsent`. */
  callerUnsent: 16 * 1024 * 1024,
  /** Our choice: nothing to somebody who corrects a mistake, and a thousand times what a cut-off costs the server. */
  putOff: 100,
  /** Our choice: then an attack costs less than can be measured. */
  putOffMost: 60_000,
  /** Our choice: more partitions than one computer has. */
  callers: 1_024,
  /** Our choice: more than come at a time, and with `newcomerPutOff` it says that nobody who waits does so for longer than five seconds. */
  newcomers: 1_024,
  /** Our choice: twenty times what a link costs that is cut off at once. */
  newcomerPutOff: 5,
  /** Our choice: long enough for a component that listens to its signal. */
  cancelGrace: 2_000,
}

/** Call slots are a power of two below this (our choice: half of what a 16-bit slot number holds). */
const MAX_CALLS = 32_768

/** The defaults with `chosen` over them; `INVALID_ARGUMENT` names the limit that cannot be. */
export function rpcLimits(chosen: Partial<RpcLimits> = {}): RpcLimits {
  const limits = { ...DEFAULT_RPC_LIMITS, ...chosen }
  check('fragment', limits.fragment, MIN_FRAGMENT, MAX_FRAGMENT)
  if (limits.fragment % 8 !== 0) throw wrong('fragment', limits.fragment, 'a multiple of 8')
  check('request', limits.request, 0, 0x7fff_ffff)
  check('response', limits.response, 0, 0x7fff_ffff)
  check('reassembly', limits.reassembly, 0, 0x7fff_ffff)
  check('spare', limits.spare, 0, 0x7fff_ffff)
  check('refused', limits.refused, 0, 0x7fff_ffff)
  check('calls', limits.calls, 1, MAX_CALLS)
  check('contexts', limits.contexts, 1, 65_535)
  check('unsent', limits.unsent, 1, 0x7fff_ffff)
  check('backlog', limits.backlog, 1, 0x7fff_ffff)
  check('linger', limits.linger, 0, 0x7fff_ffff)
  check('mistakes', limits.mistakes, 0, 0x7fff_ffff)
  check('stalled', limits.stalled, 1, 0x7fff_ffff)
  check('unbound', limits.unbound, 1, 0x7fff_ffff)
  check('unfinished', limits.unfinished, 1, 0x7fff_ffff)
  check('callerLinks', limits.callerLinks, 1, 0x7fff_ffff)
  check('callerUnsent', limits.callerUnsent, 0, 0x7fff_ffff)
  check('putOff', limits.putOff, 0, 0x7fff_ffff)
  check('putOffMost', limits.putOffMost, limits.putOff, 0x3fff_ffff)
  check('callers', limits.callers, 1, 0x7fff_ffff)
  check('newcomers', limits.newcomers, 1, 0x3fff_ffff)
  check('newcomerPutOff', limits.newcomerPutOff, 0, 0x3fff_ffff)
  check('cancelGrace', limits.cancelGrace, 0, 0x7fff_ffff)
  return limits
}

function check(name: keyof RpcLimits, value: number, least: number, most: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw wrong(name, value, `an integer from ${least} to ${most}`)
  }
}

function wrong(name: string, value: number, wanted: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', `RPC limit ${name} is ${value}; it must be ${wanted}`)
}
