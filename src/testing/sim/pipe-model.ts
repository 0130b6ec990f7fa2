import type { Caller, PipeMode } from '../../bus/index.ts'
import type { SidePlan } from './plan.ts'

/** What one end of a pipe has done so far, as the reference model sees it. */
export interface SideModel {
  readonly plan: SidePlan
  /** Sizes of the messages that were given to `write`, in order. */
  readonly messages: number[]
  /** `bytes` given to `write`. */
  sent: number
  /** `bytes`, and messages, that `read` handed out. */
  received: number
  receivedMessages: number
  /** `end` was called. */
  ended: boolean
  /** The end of the other side's bytes was read. */
  atEnd: boolean
  /** This side called `close`. */
  closed: boolean
}

/** A pipe, from the moment that its opening was asked for. */
export interface PipeModel {
  readonly id: number
  readonly mode: PipeMode
  readonly caller: Caller
  readonly target: string
  /** Damaged bytes are to be expected. */
  readonly tainted: boolean
  readonly client: SideModel
  readonly server: SideModel
  /** Targets that found this pipe's number at the start of what they read. */
  served: number
}

function newSide(plan: SidePlan): SideModel {
  return { plan, messages: [], sent: 0, received: 0, receivedMessages: 0, ended: false, atEnd: false, closed: false }
}

/** All pipes of a run, by number. */
export class PipeTable {
  readonly #pipes = new Map<number, PipeModel>()

  add(mode: PipeMode, caller: Caller, target: string, tainted: boolean, client: SidePlan, server: SidePlan): PipeModel {
    const id = this.#pipes.size + 1
    const pipe = { id, mode, caller, target, tainted, client: newSide(client), server: newSide(server), served: 0 }
    this.#pipes.set(id, pipe)
    return pipe
  }

  find(id: number): PipeModel | undefined {
    return this.#pipes.get(id)
  }
}
