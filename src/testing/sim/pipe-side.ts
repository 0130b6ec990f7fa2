import { BusbarError } from '../../errors/index.ts'
import type { Pipe } from '../../pipe/index.ts'
import type { SimNode } from './node.ts'
import { differsFromPattern, fillPattern, patternSeed } from './pattern.ts'
import type { PipeModel, SideModel } from './pipe-model.ts'
import type { Report } from './report.ts'

/** What a side of a pipe needs of the world around it. */
export interface SideWorld {
  readonly report: Report
  /** Settles when the faults are over: those who never read begin to. */
  readonly calm: Promise<void>
}

/** Bytes at the start of the client's direction that say which pipe of the model this is. */
export const PIPE_NUMBER_BYTES = 4

/** One end of an open pipe: does what its plan says and checks every byte, every end and every failure against the model. */
export class PipeSide {
  readonly #pipe: Pipe
  readonly #model: PipeModel
  readonly #mine: SideModel
  readonly #theirs: SideModel
  readonly #node: SimNode
  readonly #world: SideWorld
  readonly #label: string
  readonly #sendSeed: number
  readonly #receiveSeed: number
  #over = false
  #reason: BusbarError | undefined
  #waiting = false

  constructor(pipe: Pipe, model: PipeModel, role: 'client' | 'server', node: SimNode, world: SideWorld) {
    this.#pipe = pipe
    this.#model = model
    this.#mine = model[role]
    this.#theirs = role === 'client' ? model.server : model.client
    this.#node = node
    this.#world = world
    this.#label = `pipe ${model.id} ${role}`
    this.#sendSeed = patternSeed(model.id, role === 'client' ? 'up' : 'down')
    this.#receiveSeed = patternSeed(model.id, role === 'client' ? 'down' : 'up')
  }

  /** Settles when this side is over. `head` was read already, to find out which pipe this is. */
  async run(head?: Uint8Array): Promise<void> {
    const closed = this.#watch()
    if (head !== undefined) this.#received(head)
    const { closeAfter } = this.#mine.plan
    if (closeAfter !== undefined) void this.#node.sleep(closeAfter).then(() => this.#close('its time was up'))
    await Promise.all([this.#write(), this.#read(), closed])
  }

  async #watch(): Promise<void> {
    const { report } = this.#world
    const reason = await this.#pipe.closed
    this.#over = true
    this.#reason = reason
    report.note(`${this.#label} closed: ${reason === undefined ? 'in order' : `${reason.code} ${reason.message}`}`)
    if (reason !== undefined) {
      if (this.#mine.ended !== this.#theirs.ended) report.sometimes('half-closed, then reset')
      return
    }
    // I1: an orderly end means that both sides said so.
    report.check(this.#mine.ended && (this.#theirs.ended || this.#model.tainted), 'I1', () => {
      return `${this.#label} closed in order although ${this.#mine.ended ? 'the other side' : 'it'} had not ended`
    })
    report.sometimes(this.#model.mode === 'message' ? 'message mode pipe ended in order' : 'pipe ended in order')
  }

  async #write(): Promise<void> {
    const { plan } = this.#mine
    try {
      if (this.#mine === this.#model.client) await this.#send(PIPE_NUMBER_BYTES)
      for (const size of plan.writes) {
        if (plan.gap > 0) await this.#node.sleep(plan.gap)
        await this.#send(size)
      }
      if (plan.finish === 'close') return this.#close('it was done')
      this.#mine.ended = true
      await this.#pipe.end()
    } catch (thrown) {
      await this.#failed('write', thrown)
    }
  }

  async #send(size: number): Promise<void> {
    const { sent } = this.#mine
    const bytes = fillPattern(this.#sendSeed, sent, size)
    if (sent === 0 && this.#mine === this.#model.client) {
      new DataView(bytes.buffer).setUint32(0, this.#model.id, true)
    }
    this.#mine.sent += size
    this.#mine.messages.push(size)
    const room = this.#pipe.write(bytes)
    if (!(room instanceof Promise)) return
    this.#waiting = true
    await room
    this.#waiting = false
  }

  async #read(): Promise<void> {
    const { plan } = this.#mine
    const { report } = this.#world
    if (plan.reads === 'never') await this.#world.calm
    try {
      for (;;) {
        if (plan.reads === 'slowly') await this.#node.sleep(5)
        const broken = this.#over && this.#reason !== undefined
        const chunk = await this.#pipe.read()
        report.check(
          !broken,
          'I10',
          () => `${this.#label}: a read gave something after the pipe had closed with a reason`,
        )
        if (chunk === undefined) break
        this.#received(chunk)
      }
      this.#mine.atEnd = true
      const { received } = this.#mine
      const { ended, sent } = this.#theirs
      report.check(this.#model.tainted || (ended && received === sent), 'I1', () => {
        return `${this.#label} read the end after ${received} bytes; the other side ${ended ? 'ended' : 'did not end'} after ${sent}`
      })
    } catch (thrown) {
      await this.#failed('read', thrown)
    }
  }

  #received(chunk: Uint8Array): void {
    const { report } = this.#world
    const mine = this.#mine
    const offset = mine.received
    mine.received += chunk.length
    report.mix(chunk.length)
    if (this.#model.tainted) return
    report.check(mine.received <= this.#theirs.sent, 'I1', () => {
      return `${this.#label} read ${mine.received} bytes of ${this.#theirs.sent} that were sent`
    })
    this.#checkContent(chunk, offset)
    if (this.#model.mode !== 'message') return
    const size = this.#theirs.messages[mine.receivedMessages++]
    report.check(size === chunk.length, 'I11', () => {
      return `${this.#label} read a message of ${chunk.length} bytes, ${size} were sent as message ${mine.receivedMessages}`
    })
  }

  #checkContent(chunk: Uint8Array, offset: number): void {
    // The number of the pipe stands where the pattern would begin; it was checked when the pipe was recognised.
    const skip = this.#mine === this.#model.server ? Math.min(chunk.length, Math.max(0, PIPE_NUMBER_BYTES - offset)) : 0
    const at = differsFromPattern(chunk.subarray(skip), this.#receiveSeed, offset + skip)
    this.#world.report.check(
      at < 0,
      'I1',
      () => `${this.#label}: byte ${offset + skip + at} is not the one that was sent`,
    )
  }

  #close(why: string): void {
    if (this.#over) return
    const { report } = this.#world
    if (this.#waiting) report.sometimes('closed while the writer waited for a window')
    if (this.#mine.sent - this.#theirs.received >= 262_144) report.sometimes('closed while a whole window was unread')
    if (this.#theirs.closed) report.sometimes('both ends of a pipe closed at once')
    this.#mine.closed = true
    this.#pipe.close(this.#model.id % 2 === 0 ? undefined : new BusbarError('FAULT', `${this.#label} closes: ${why}`))
  }

  /** Every operation of a broken pipe fails with the one reason of its close event. */
  async #failed(what: string, thrown: unknown): Promise<void> {
    this.#waiting = false
    const { report } = this.#world
    const { code, message } = BusbarError.from(thrown)
    report.check(
      code !== 'INTERNAL' && code !== 'INVALID_ARGUMENT',
      'I2',
      () => `${this.#label}: ${what} failed with ${code} ${message}`,
    )
    const reason = await this.#pipe.closed
    report.check(reason?.code === code, 'I10', () => {
      return `${this.#label}: ${what} failed with ${code} (${message}), the pipe closed with ${reason?.code ?? 'no reason'} (${reason?.message ?? ''})`
    })
  }
}
