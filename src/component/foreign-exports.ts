/** What the table of a peer without a pipe does besides: its references say where they lead, and its objects are watched. */
export interface ForeignExports {
  /** DUALSTRINGARRAY for every reference (MS-DCOM 2.2.19). */
  readonly bindings: Uint8Array
  /** The last reference to an object is gone. */
  readonly gone: (oid: bigint) => void
}
