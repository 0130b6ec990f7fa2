import { BusbarError } from '../../errors/index.ts'
import { type Awaitable, type ByteLink, Closing, Gate, Inbox } from '../../link/index.ts'
import type { LinkPolicy } from './link-policy.ts'
import type { SimNode } from './node.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import type { Scheduler } from './scheduler.ts'
import { type Tamper, Wire, type WireEnd } from './wire.ts'

/** One end of a simulated link: ordered and lossless until it dies, with every freedom that a real medium has. */
export class SimLink implements ByteLink, WireEnd {
  readonly node: SimNode
  readonly #scheduler: Scheduler
  readonly #random: SimRandom
  readonly #policy: LinkPolicy
  readonly #report: Report
  readonly #closing = new Closing()
  readonly #gate = new Gate()
  readonly #inbox: Inbox
  #other: SimLink = this
  #out: Wire | undefined
  /** `bytes` written here that the other end has not read. */
  #inFlight = 0
  #ended = false

  private constructor(node: SimNode, scheduler: Scheduler, random: SimRandom, report: Report, policy: LinkPolicy) {
    this.node = node
    this.#scheduler = scheduler
    this.#random = random
    this.#policy = policy
    this.#report = report
    this.#inbox = new Inbox((bytes) => this.#other.#credit(bytes))
  }

  static pair(
    [a, b]: readonly [SimNode, SimNode],
    scheduler: Scheduler,
    random: SimRandom,
    report: Report,
    policy: LinkPolicy,
  ): [SimLink, SimLink] {
    const left = new SimLink(a, scheduler, random.fork('left'), report, policy)
    const right = new SimLink(b, scheduler, random.fork('right'), report, policy)
    left.#other = right
    right.#other = left
    left.#out = new Wire(scheduler, random.fork('to-right'), report, policy, right)
    right.#out = new Wire(scheduler, random.fork('to-left'), report, policy, left)
    return [left, right]
  }

  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /** This end is over, or nobody is left to care. */
  get deaf(): boolean {
    return this.#closing.over || !this.node.alive
  }

  get unread(): number {
    return this.#inbox.unread
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** `bytes` in flight with which the link asks its writer to wait. */
  get window(): number {
    return this.#policy.window
  }

  get stalled(): boolean {
    return this.#wire.stalled
  }

  get #wire(): Wire {
    return this.#out as Wire
  }

  set tamper(tamper: Tamper) {
    this.#wire.tamper = tamper
  }

  read(): Awaitable<Uint8Array | undefined> {
    const chunk = this.#inbox.read()
    if (chunk === undefined) this.#finish()
    return chunk
  }

  write(chunk: Uint8Array): Awaitable<void> {
    if (this.#ended) return Promise.reject(new BusbarError('ENDED', 'written to after the end'))
    if (this.#closing.over || chunk.length === 0) return this.#gate.pass()
    this.#inFlight += chunk.length
    this.#wire.write(chunk)
    if (this.#inFlight >= this.#policy.window) this.#gate.shut()
    else if (this.#gate.isOpen && this.#random.chance(this.#policy.slowWrites)) this.#pauseWriter()
    return this.#gate.pass()
  }

  end(): Awaitable<void> {
    if (this.#ended || this.#closing.over) return
    this.#ended = true
    this.#wire.end()
    this.#finish()
    if (!this.#random.chance(this.#policy.slowWrites)) return
    return new Promise((resolve) => this.#scheduler.after(0, this.node, 'end handed over', resolve))
  }

  close(reason: BusbarError = new BusbarError('CLOSED', 'closed by this side')): void {
    if (this.#closing.over) return
    if (this.#inbox.unread > 0) this.#report.sometimes('closed with unread data')
    if (this.#other.#closing.over) this.#report.sometimes('both ends of a link closed at once')
    this.#fail(reason)
    this.#wire.break(new BusbarError('RESET', 'the other end closed the link'))
  }

  /** The medium breaks: both ends lose the link, each at its own time. */
  die(): void {
    this.#other.#wire.break(new BusbarError('LINK_LOST', 'the link broke'))
    this.#wire.break(new BusbarError('LINK_LOST', 'the link broke'))
  }

  /** Nothing gets through for so many virtual `ms`, in one direction or both. */
  stall(ms: number, both: boolean): void {
    this.#wire.stall(ms)
    if (both) this.#other.#wire.stall(ms)
  }

  arrived(chunk: Uint8Array): void {
    this.#inbox.push(chunk)
  }

  ended(): void {
    this.#inbox.end()
    this.#finish()
  }

  broke(reason: BusbarError): void {
    this.#fail(reason)
  }

  #pauseWriter(): void {
    this.#gate.shut()
    this.#scheduler.after(0, this.node, 'write taken', () => {
      if (this.#inFlight < this.#policy.window) this.#gate.open()
    })
  }

  #credit(bytes: number): void {
    this.#inFlight -= bytes
    this.#scheduler.moved.add(this.node)
    if (this.#inFlight < this.#policy.window) this.#gate.open()
  }

  #finish(): void {
    if (this.#ended && this.#inbox.ended && this.#inbox.unread === 0) this.#closing.settle()
  }

  #fail(reason: BusbarError): void {
    if (!this.#closing.settle(reason)) return
    this.#inbox.fail(reason)
    this.#gate.fail(reason)
  }
}
