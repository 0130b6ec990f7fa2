import { encodeMessage, type Message, type Messages } from '../../bus/index.ts'
import { codeNumber } from '../../errors/index.ts'
import { type MuxStream, MuxSession } from '../../mux/index.ts'
import type { HostileStyle } from './plan.ts'
import type { SimRandom } from './random.ts'
import type { SimNode } from './node.ts'
import type { Tamper } from './wire.ts'
import type { World } from './world.ts'

/** Lets some bytes through and then damages what follows now and then. */
export function damage(random: SimRandom): Tamper {
  let healthy = random.sized(4000)
  return (chunk) => {
    healthy -= chunk.length
    if (healthy > 0 || !random.chance(0.3)) return [chunk]
    const changed = chunk.slice()
    const at = random.below(changed.length)
    switch (random.below(4)) {
      case 0:
        changed[at] = (changed[at] as number) ^ (1 << random.below(8))
        return [changed]
      case 1:
        return [changed, changed]
      case 2:
        return [changed.subarray(0, at)]
      default:
        return [random.fill(new Uint8Array(random.sized(200))), changed]
    }
  }
}

/** How often an intruder comes back after the bus closed its link (our choice: enough to meet every moment of a session). */
const VISITS = 5

/** A partition in the hands of someone who writes what he likes on his link. */
export class Intruder {
  readonly #world: World
  readonly #partition: string
  readonly #style: HostileStyle
  readonly #random: SimRandom
  #node: SimNode
  #visits = 0

  constructor(world: World, partition: string, style: HostileStyle) {
    this.#world = world
    this.#partition = partition
    this.#style = style
    this.#random = world.random.fork('intruder')
    this.#node = world.network.node(`${partition} intruder`)
  }

  start(): void {
    if (!this.#node.alive) this.#node = this.#world.network.node(`${this.#partition} intruder`)
    this.#world.lives.add(`life of ${this.#node.name}`, this.#node, this.#live(this.#node))
  }

  kill(): void {
    this.#world.network.kill(this.#node)
  }

  async #live(node: SimNode): Promise<void> {
    while (!this.#world.ending && this.#visits < VISITS) {
      try {
        this.#visits++
        if (this.#style === 'noise') await this.#noise(node)
        else await this.#forge(node)
      } catch (thrown) {
        const { code } = this.#world.expectFailure('the intruder', thrown, true)
        if (code === 'RESET' || code === 'LINK_LOST') this.#world.report.sometimes('hostile link closed by the bus')
      }
      await node.sleep(this.#random.below(200))
    }
  }

  async #noise(node: SimNode): Promise<void> {
    const link = this.#world.wiring.dialRaw(this.#partition, node)
    for (;;) {
      const bytes = this.#random.fill(new Uint8Array(this.#random.sized(3000)))
      // A yamux header that is right gets the noise past the first check.
      if (this.#random.chance(0.7))
        bytes.set([0, this.#random.below(4), 0, this.#random.below(16), 0, 0, 0].slice(0, bytes.length))
      await link.write(bytes)
      await node.sleep(this.#random.below(20))
    }
  }

  async #forge(node: SimNode): Promise<void> {
    const streams: MuxStream[] = []
    const onStream = (stream: MuxStream): void => void streams.push(stream)
    const mux = new MuxSession(this.#world.wiring.dialRaw(this.#partition, node), {
      role: 'client',
      env: node.env,
      onStream,
    })
    const control = mux.open()
    const drain = async (): Promise<void> => {
      while ((await control.read()) !== undefined);
    }
    drain().catch(() => {})
    if (this.#random.chance(0.9))
      await control.write(encodeMessage({ kind: 'initiateContact', oldest: 1, newest: 1, features: 0 }))
    for (let count = 0; count < 40; count++) {
      if (this.#random.chance(0.5)) streams.push(mux.open())
      if (this.#random.chance(0.4)) {
        // A channel as it should be, and a caller that he is not.
        const stream = mux.open()
        streams.push(stream)
        await stream.write(this.#random.fill(new Uint8Array(this.#random.sized(500))))
        this.#world.report.note('intruder opens a channel as somebody else')
        await control.write(encodeMessage(this.#forged(stream.id)))
      }
      const ids = [1, 2, 3, this.#random.below(50), ...streams.map(({ id }) => id)]
      const message = this.#message(this.#random.pick(ids))
      this.#world.report.note(`intruder sends ${message.kind}`)
      await control.write(encodeMessage(message))
      const stream = streams.length > 0 ? this.#random.pick(streams) : undefined
      if (this.#random.chance(0.5)) await stream?.write(this.#random.fill(new Uint8Array(this.#random.sized(500))))
      if (this.#random.chance(0.1)) stream?.close()
      await node.sleep(this.#random.below(10))
    }
    mux.close()
  }

  #message(id: number): Message {
    const random = this.#random
    const code = random.pick([0, 0, codeNumber('DENIED'), 4_000_000])
    const target = random.pick(this.#world.programs)
    const service = target.service(random.pick(['byte', 'message', 'calls'] as const))
    const text = random.pick(['', 'x'.repeat(900), '\u001b[2J\n'])
    switch (random.below(16)) {
      case 0:
        return { kind: 'openResult', channelId: id, code, text }
      case 1:
        return { kind: 'closeChannel', channelId: id, code, text }
      case 2:
        return { kind: 'makeOffer', offerId: id, service, mode: 'byte', contract: text }
      case 3:
        return { kind: 'withdrawOffer', offerId: id }
      case 4:
        return random.chance(0.8) ? { kind: 'requestOffers' } : { kind: 'unload' }
      case 5:
        return random.chance(0.2) ? { kind: 'allOffersDelivered' } : { kind: 'requestOffers' }
      default:
        return { ...this.#forged(id), mode: random.pick(['byte', 'message'] as const) }
    }
  }

  /** Asks for a channel in the name of another partition. */
  #forged(id: number): Messages['openChannel'] & { readonly kind: 'openChannel' } {
    const random = this.#random
    const target = random.pick(this.#world.programs)
    const mode = random.pick(['byte', 'message'] as const)
    return {
      kind: 'openChannel',
      channelId: id,
      offerId: random.below(5),
      partition: random.chance(0.9) ? target.partition : 'nobody',
      service: target.service(random.pick([mode, mode === 'byte' ? 'calls' : mode])),
      mode,
      deadline: random.pick([0, 1, 0xffff_ffff]),
      caller: 'ada',
      callerEpoch: 1,
    }
  }
}
