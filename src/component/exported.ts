import type { Guid } from '../bytes/index.ts'
import type { Contract } from '../rpc/index.ts'
import type { Held } from './held.ts'
import type { Interface, Methods } from './interface.ts'

/** Whether an object's disposer is ours to call when the peer has released it; or who says so then. */
export type Owned = boolean | (() => boolean)

/** An object that the peer was given, whatever the interfaces. */
export interface ExportedObject {
  readonly oid: bigint
  /** What it is to this side, and what it arrives as when the peer sends it home. */
  readonly value: object
  /** What it is known by: itself, or for a proxy that was passed on what that leads to. */
  readonly key: Methods | Held
  readonly owned: Owned
  readonly stream: boolean
  /** What it implements besides what it says of itself. */
  readonly contracts: readonly Contract[] | undefined
  /** Its interfaces that the peer holds. */
  readonly interfaces: Exported[]
  /** Calls that run on it. */
  running: number
}

/** One interface of an object, which the peer may call. */
export interface Exported {
  readonly ipid: Guid
  readonly interface: Interface
  readonly methods: Methods
  readonly object: ExportedObject
  /** For a proxy that was passed on: what calls go on through. */
  readonly share: Held | undefined
  /** References that the peer holds; 0 once it left the table. */
  references: number
  /** Calls that run on it through this interface. */
  calls: number
}

/** References that one message gave. */
export interface Given {
  readonly exported: Exported
  readonly references: number
}

/** An object as it is given: what implements it, or the references behind the proxy that is passed on. */
export interface Offering {
  readonly value: object
  readonly key: Methods | Held
  /** Whether it is given for good: disposed of when the peer has released it. */
  readonly owned: Owned
  readonly stream: boolean
  /** What it implements besides what it says of itself: the contract of its class. */
  readonly contracts?: readonly Contract[] | undefined
}

/** How many objects of a contract the peer holds, with how many references, and how many calls run on them. */
export interface ExportedCounts {
  readonly objects: number
  readonly references: number
  readonly running: number
}
