/** One way to make calls over a Unix socket. All are driven by the same code. */
export interface Stack {
  /** Serves every connection to the socket at `path`. */
  serve(path: string): Promise<void>
  connect(path: string): Promise<Connection>
}

export interface Connection {
  /** Sends `data` and tells how many bytes came back. */
  echo(data: Uint8Array, done: (bytes: number) => void): void
  /** Sends `data` and tells how many bytes the server says it got. */
  upload(data: Uint8Array, done: (bytes: number) => void): void
  /** Another connection to the same server, for traffic that must not wait behind that of this one. */
  sibling(): Promise<Connection>
}

/** A call that failed ends the benchmark. */
export function failed(error: unknown): never {
  console.error(error)
  process.exit(1)
}
