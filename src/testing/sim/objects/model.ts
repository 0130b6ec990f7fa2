import type { Caller, RpcClientView, RpcServerView } from '../../../rpc/index.ts'
import type { BusbarError } from '../../../errors/index.ts'
import type { Holder } from './holder.ts'
import type { PlannedStream } from './streams.ts'

/** An object of the model: what implements it lives in one process. */
export interface ThingModel {
  readonly id: number
  readonly home: Holder
  readonly impl: object
  readonly isBox: boolean
  /** How often its disposer ran. */
  disposed: number
  /** It was made for an answer and never came home: its disposer runs once, when nobody holds it. */
  pure: boolean
}

/** What one end of a pipe with objects shows of itself. */
export interface EndView {
  /** What the other end holds, by contract. */
  readonly exports: Readonly<Record<string, { readonly references: number }>>
  /** What this end holds, by contract. */
  readonly imports: Readonly<Record<string, number>>
  /** Its calls to the other end, once it can make any. */
  readonly calling: RpcClientView | undefined
  /** Those of the other end. */
  readonly serving: RpcServerView | undefined
}

/** One end of a pipe with objects, the return channel included. */
export class PipeEnd {
  readonly holder: Holder
  readonly role: 'client' | 'server'
  /** Who calls from here, as the other side is told. */
  readonly caller: Caller
  readonly view: () => EndView
  /** Known from the first call on. */
  other: PipeEnd | undefined
  over = false
  /** Calls that are made over it and have no outcome yet: they may wait here for a return channel. */
  busy = 0
  reason: BusbarError | undefined

  constructor(holder: Holder, role: 'client' | 'server', caller: Caller, view: () => EndView) {
    this.holder = holder
    this.role = role
    this.caller = caller
    this.view = view
  }

  /** Nothing passes in one direction at least. */
  get broken(): boolean {
    const { other } = this
    return this.#gone || (other !== undefined && other.#gone)
  }

  get #gone(): boolean {
    return this.over || !this.holder.node.alive
  }
}

/** The ends that calls leave through on their way from the holder of a reference to the object: none when it is there. */
export type Path = readonly PipeEnd[]

/** A reference that a process holds, or an object of its own. */
export interface Reference {
  readonly thing: ThingModel
  /** The proxy, or the object itself. */
  readonly value: object
  readonly path: Path
  readonly contract: 'sim.Thing' | 'sim.Box'
  /** Shares the references of another proxy, so that no references of the other side are counted for it. */
  readonly shares: boolean
  released: boolean
}

/** What a call carries, as the model knows it. */
export interface Passing {
  /** From the caller to the object. */
  readonly path: Path
  /** The object that is called; absent for the component that was activated. */
  readonly target: ThingModel | undefined
  /** As the caller holds them. */
  readonly sent: readonly Reference[]
  /** What the call lends, or gives. */
  readonly stream?: PlannedStream | undefined
  /** As the object's side holds them. */
  returned: readonly Reference[]
}

/** A reference where it arrives. */
export interface Arrival {
  readonly path: Path
  /** It came back over the pipe that it had been given on. */
  readonly home: boolean
}

/** A reference after it went over the pipe that `end` is the near end of. */
function hop({ path }: Arrival, end: PipeEnd): Arrival {
  if (path[0] === end) return { path: path.slice(1), home: true }
  if (end.other === undefined) throw new Error('a reference crossed a pipe before any call did')
  return { path: [end.other, ...path], home: false }
}

/** A reference in arguments, where the call arrives that took this way. */
export function arrivalThere({ path }: Reference, way: Path): Arrival {
  return way.reduce<Arrival>(hop, { path, home: false })
}

/** A reference in an answer, where the call came from. */
export function arrivalBack({ path }: Reference, way: Path): Arrival {
  return way.toReversed().reduce<Arrival>((before, end) => hop(before, end.other ?? end), { path, home: false })
}

export function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((end, at) => end === b[at])
}

/** Whether both are the same object to who holds them. */
export function sameReference(a: Reference, b: Reference): boolean {
  return a.thing === b.thing && samePath(a.path, b.path)
}
