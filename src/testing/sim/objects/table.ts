import type { Hooks } from '../../../component/index.ts'
import type { ByteLink } from '../../../link/index.ts'
import type { CallContext } from '../../../rpc/index.ts'
import type { CallModel, CallTable } from '../call-model.ts'
import type { Plants } from '../plants.ts'
import type { Report } from '../report.ts'
import type { SimNode } from '../node.ts'
import { Holder } from './holder.ts'
import { arrivalThere, type Passing, type PipeEnd, type Reference, type ThingModel } from './model.ts'
import type { StreamPlan } from './plan.ts'
import { PlannedStream } from './streams.ts'
import { makeThing } from './thing.ts'

/** All objects, references, and pipes with objects of a run. */
export class ObjectTable {
  readonly report: Report
  readonly plants: Plants
  readonly calls: CallTable
  readonly things: ThingModel[] = []
  readonly streams: PlannedStream[] = []
  readonly ends: PipeEnd[] = []
  readonly #holders = new Map<SimNode, Holder>()
  readonly #passing = new Map<number, Passing>()
  /** What is looked at when everything that this step caused has happened. */
  #audits: (() => void)[] = []
  /** Closes the pipes that stay until everything is released. */
  #parting: (() => void)[] = []

  constructor(report: Report, calls: CallTable, plants: Plants) {
    this.report = report
    this.calls = calls
    this.plants = plants
  }

  /** What bugs on purpose change of pipes and of the calls on them. */
  get planted(): { hooks: Hooks; link(link: ByteLink, role: 'client' | 'server'): ByteLink } {
    const { objectPipe, objectHooks } = this.plants
    return {
      hooks: { calls: [], serves: [], authorize: [], ...objectHooks },
      link: (link, role) => objectPipe?.(link, role) ?? link,
    }
  }

  get holders(): readonly Holder[] {
    return [...this.#holders.values()].filter(({ node }) => node.alive)
  }

  holder(node: SimNode, partition: string): Holder {
    let holder = this.#holders.get(node)
    if (holder === undefined) this.#holders.set(node, (holder = new Holder(node, partition, this)))
    return holder
  }

  /** An object more, in the process of `home`. `pure`: it is for the answer to a call, and nobody else has it. */
  make(home: Holder, isBox: boolean, pure: boolean): ThingModel {
    const thing = makeThing(this, home, this.things.length + 1, isBox, pure)
    this.things.push(thing)
    return thing
  }

  /** A stream more, whose items are made in the process of `home`. */
  stream(home: Holder, plan: StreamPlan): PlannedStream {
    const stream = new PlannedStream(this.streams.length + 1, home, plan)
    this.streams.push(stream)
    return stream
  }

  /** A call is about to be made. */
  passes(call: CallModel, passing: Passing): void {
    this.#passing.set(call.id, passing)
  }

  /** A call arrived at `target`: at the object that it was made on, once, from who made it. `undefined` when there is no such call. */
  invoked(id: number, context: CallContext, target: ThingModel | undefined): Passing | undefined {
    const call = this.calls.invoked(id, context.caller, false)
    const passing = this.#passing.get(id)
    if (call === undefined || passing === undefined) return undefined
    const { report } = this
    report.check(passing.target === target, 'I8', () => {
      return `call ${id} was made on object ${passing.target?.id ?? 'hub'} and reached ${target?.id ?? 'hub'}`
    })
    const gone = target?.pure === true && target.disposed > 0
    report.check(!gone, 'I8', () => `call ${id} reached object ${target?.id} after it was disposed of`)
    if (passing.path.length > 1) report.sometimes('a third process called an object through the second')
    if (passing.path.some(({ role }) => role === 'server')) report.sometimes('an object was called back')
    return passing
  }

  answered(id: number): void {
    const call = this.calls.find(id)
    if (call !== undefined) call.answered = true
  }

  /** The references among the arguments of a call arrived. */
  received(home: Holder, { path, sent }: Passing, values: readonly object[]): Reference[] {
    const { report } = this
    report.check(values.length === sent.length, 'I1', () => `${values.length} references arrived of ${sent.length}`)
    return sent.slice(0, values.length).map((reference, at) => {
      return home.arrived(values[at] as object, reference.thing, arrivalThere(reference, path), reference.contract)
    })
  }

  /** Looks at something when everything that this step causes has happened. */
  audit(check: () => void): void {
    this.#audits.push(check)
  }

  audited(): void {
    if (this.#audits.length === 0) return
    for (const check of this.#audits.splice(0)) check()
  }

  /** A pipe that stays; `close` when all is released. */
  lingers(close: () => void): void {
    this.#parting.push(close)
  }

  /** Everybody releases everything, while the pipes stand. */
  releaseAll(): void {
    for (const holder of this.holders) {
      holder.releaseAll()
      holder.collect()
    }
  }

  part(): void {
    for (const close of this.#parting.splice(0)) close()
  }
}
