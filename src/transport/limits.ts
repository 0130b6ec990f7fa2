/** Every limit of this layer: the default, its unit, the reason. */
export interface TransportLimits {
  /** Received and not yet read before a socket is paused, `bytes`. */
  readonly unread: number
  /** Written and not yet taken by the kernel before writers wait, `bytes`. */
  readonly unsent: number
  /** A write of fewer `bytes` waits for the one behind it in the same turn: it is a header, and leaves with its payload. */
  readonly header: number
  /** What a socket that carries bulk alone asks its kernel to hold of what was written, `bytes`. */
  readonly sendBuffer: number
  /** Sockets of this process that may have that at once. */
  readonly wideSockets: number
}

export const TRANSPORT_LIMITS: TransportLimits = {
  // One AF_UNIX kernel buffer (about 208 KiB) and some more, and the initial window of a mux stream.
  unread: 262_144,
  // One mux frame: the kernel buffer below it is what keeps the medium busy.
  unsent: 32_768,
  // Above the headers of a mux frame (12) and of a packet (8), below the shortest PDU of a call. Whatever gathers small
  // messages does so above: to wait for the end of the turn once more cost a lone call a third of its time.
  header: 64,
  // Linux makes twice as many, and grants no more than twice `net.core.wmem_max` (212,992 unless set higher). Our choice, measured: from 208 KiB to 1 MiB a pipe through the
  // broker takes a quarter less processor time, because readers and writers sleep a quarter as often; to 416 KiB half of that; more brings nothing.
  sendBuffer: 524_288,
  // 16 MiB of the kernel's memory if nobody reads (our choice).
  wideSockets: 16,
}

/** Longest path of a Unix socket, `bytes`. Fixed by the kernels: `sun_path` is 108 on Linux, 104 on macOS, with a zero byte. */
export function maxSocketPath(platform: string = process.platform): number {
  return platform === 'linux' ? 107 : 103
}

/** Limits of the hybrid vsock handshake. */
export const HYBRID_LIMITS = {
  /** From dialling to the answer, `ms`. Firecracker gives the guest 2 s to accept (our choice: with some room for a busy host). */
  timeoutMs: 5000,
  /** Longest answer, `bytes`: `OK ` and a GUID, the longest any implementation sends, and some room (our choice). */
  line: 64,
} as const

/** Limits of a serial port. */
export interface SerialLimits {
  /** Received in a session and not yet read before the port is not read either, `bytes`. */
  readonly unread: number
  /** Payloads of up to this many `bytes` are copied behind their frame's header: one write costs more than the copy. */
  readonly join: number
  /** From one HELLO to the next while there is no session, `ms`. */
  readonly retryMs: number
  /** In a guest whose host has closed the port, from the first attempt to open it to the next, `ms`; doubled each time. */
  readonly reopenMs: number
  /** What the doubling stops at, `ms`. */
  readonly maxReopenMs: number
}

export const SERIAL_LIMITS: SerialLimits = {
  // As for a socket: the initial window of a mux stream.
  unread: 262_144,
  // On a socket a longer payload and its header leave in one system call anyway. A guest's device takes 65,536.
  join: 1024,
  // Far above a round trip of 0.4 ms, and short for whoever waits for a guest. An idle port costs 38 bytes each time.
  retryMs: 250,
  reopenMs: 50,
  // How late a host that comes back is noticed at most. In an emulated guest an attempt costs some 10 ms of its processor.
  maxReopenMs: 1000,
}
