import { BusbarError } from '../../../errors/index.ts'
import type { CallOptions, Client } from '../../../rpc/index.ts'
import { BROKEN } from '../calling.ts'
import { type Attempt, attempt } from './attempt.ts'
import type { Thing } from './contracts.ts'
import type { Holder } from './holder.ts'
import type { Reference } from './model.ts'
import type { StreamPlan } from './plan.ts'
import type { ObjectTable } from './table.ts'

/** What one stream may hold of numbers: an item is the stream's number times this, and which one it is. */
const MOST_ITEMS = 1_024
/** Which items are waited for, of the producer and of the reader. */
const PAUSE_EACH = 2

/** How a stream of the model ends that breaks. */
const PLANNED = 'EPLAN'

/** A stream of the model: the items that one process makes, and what another one reads of them. */
export class PlannedStream implements AsyncIterable<number>, AsyncIterator<number, undefined> {
  readonly id: number
  readonly home: Holder
  readonly plan: StreamPlan
  /** How many items its reader had. */
  read = 0
  /** Somebody asked for an item. */
  asked = false
  /** The producer knows that it is over: it came to its end, or was told that the reader left. */
  over = false
  #made = 0

  constructor(id: number, home: Holder, plan: StreamPlan) {
    this.id = id
    this.home = home
    this.plan = plan
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<number, undefined>> {
    this.asked = true
    const { items, breaks, pause } = this.plan
    if (pause > 0 && this.#made % PAUSE_EACH === 1) await this.home.node.sleep(pause)
    if (this.over) return { done: true, value: undefined }
    if (this.#made < items) return { done: false, value: this.item(this.#made++) }
    this.over = true
    if (breaks) throw planned()
    return { done: true, value: undefined }
  }

  return(): Promise<IteratorResult<number, undefined>> {
    this.over = true
    return Promise.resolve({ done: true, value: undefined })
  }

  item(at: number): number {
    return this.id * MOST_ITEMS + at
  }
}

/** Reads a stream as its plan says, and checks what comes: every item once and in order (I11), and an end that is one (I1). */
export async function readPlanned(
  { report }: ObjectTable,
  reader: Holder,
  stream: PlannedStream,
  items: AsyncIterable<number>,
): Promise<number> {
  const { items: all, breaks, takes, pause } = stream.plan
  const what = `stream ${stream.id}`
  const iterator = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done = false, value } = await iterator.next()
      if (done) break
      const wanted = stream.item(stream.read)
      report.check(value === wanted, 'I11', () => `${what}: item ${stream.read} was ${value} in place of ${wanted}`)
      stream.read++
      if (stream.read === takes) {
        if (stream.read < all) report.sometimes('a stream of an object was left early')
        await iterator.return?.()
        return stream.read
      }
      if (pause > 0 && stream.read % PAUSE_EACH === 0) await reader.node.sleep(pause)
    }
  } catch (thrown) {
    const error = BusbarError.from(thrown)
    if (isPlanned(error)) {
      report.check(breaks && stream.read === all, 'I1', () => `${what} broke after ${stream.read} items of ${all}`)
      report.sometimes('a stream of an object was broken by its producer')
    } else if (stream.read > 0 && stream.read < all && BROKEN.has(error.code)) {
      report.sometimes('a stream of an object was cut by a death')
    }
    await ended(iterator)
    if (isPlanned(error)) return stream.read
    throw thrown
  }
  report.check(stream.read === all && !breaks, 'I1', () => {
    return `${what} ended after ${stream.read} items of ${all}${breaks ? ', where it was to break' : ''}`
  })
  report.sometimes('a stream of an object was read to its end')
  await ended(iterator)
  return stream.read

  async function ended(over: AsyncIterator<number>): Promise<void> {
    const { done } = await over.next()
    report.check(done === true, 'I11', () => `${what} gave an item after its end`)
  }
}

/** The same stream, item for item, as a component passes it on that reads it. */
export async function* reread(items: AsyncIterable<number>): AsyncGenerator<number, void, void> {
  try {
    yield* items
  } catch (thrown) {
    throw isPlanned(BusbarError.from(thrown)) ? planned() : thrown
  }
}

/** Calls a method with a stream among its arguments, as its result, or both, on an object that the process holds. */
export async function streamOn(
  table: ObjectTable,
  holder: Holder,
  { path: way, thing: target, value, released }: Reference,
  method: 'flow' | 'pour' | 'relay',
  plan: StreamPlan,
  terms: Pick<Attempt, 'deadline' | 'cancelAfter'> = {},
): Promise<void> {
  if (way.length === 0) return
  const { report } = table
  const stream = table.stream(method === 'flow' ? target.home : holder, plan)
  const proxy = value as Client<typeof Thing>
  const make = (call: number, options: CallOptions): Promise<number> => {
    if (method === 'pour') return proxy.pour({ call, items: stream }, options)
    const answer = method === 'flow' ? proxy.flow({ call }, options) : proxy.relay({ call, items: stream }, options)
    return readPlanned(table, holder, stream, answer)
  }
  const lends = method !== 'flow'
  const outcome = await attempt(table, holder, { method, way, target, stream, lends, released, ...terms }, make)
  if (outcome === undefined) return
  report.check(outcome.value === stream.read, 'I1', () => {
    return `${outcome.value} items of stream ${stream.id} are said to be read, and ${stream.read} were`
  })
  if (lends && way[0]?.role === 'server') report.sometimes('a stream was lent to who is called back')
  if (method === 'relay') report.sometimes('a stream came back from who it was lent to')
  if (way.length > 1) report.sometimes('a stream went through a third process')
}

function planned(): Error {
  return Object.assign(new Error('as planned'), { code: PLANNED })
}

function isPlanned({ code, remote }: BusbarError): boolean {
  return code === 'FAULT' && remote?.code === PLANNED
}
