import {
  type AccessPolicy,
  Broker,
  type BusEvent,
  type BusLimits,
  type Carrier,
  CarrierListener,
  DialledCarrier,
  MuxCarrier,
} from '../../bus/index.ts'
import { BusbarError } from '../../errors/index.ts'
import type { MuxLimits } from '../../mux/index.ts'
import type { MemoryCheck } from './memory-check.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { Origins } from './origins.ts'
import type { Plan } from './plan.ts'
import type { Plants } from './plants.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import { SimRings } from './rings/medium.ts'
import type { SimLink } from './sim-link.ts'
import type { SimPolicy } from './sim-policy.ts'

/** A mux session under observation. */
export interface ObservedMux {
  readonly name: string
  readonly node: SimNode
  readonly carrier: MuxCarrier
}

/** The bus process, and how the others reach it. */
export class Wiring {
  readonly limits: Partial<BusLimits>
  readonly network: Network
  /** Memory for rings; absent when nobody has any. */
  readonly rings: SimRings | undefined
  readonly origins: Origins = new Origins()
  readonly #policy: AccessPolicy
  readonly #plants: Plants
  readonly #memory: MemoryCheck
  readonly #report: Report
  readonly #muxLimits: Partial<MuxLimits>
  #muxes: ObservedMux[] = []
  #listeners = new Map<string, CarrierListener>()
  #node: SimNode
  #broker: Broker | undefined
  /** How often each partition attached to this bus. */
  #epochs = new Map<string, number>()
  readonly #declared: readonly string[]
  readonly #tainted: ReadonlySet<string>

  constructor(
    network: Network,
    policy: SimPolicy,
    memory: MemoryCheck,
    report: Report,
    random: SimRandom,
    { machines, channels, rings }: Plan,
    plants: Plants,
  ) {
    this.network = network
    this.#plants = plants
    this.#memory = memory
    this.#policy = plants.policy?.(policy) ?? policy
    this.#report = report
    this.#declared = machines.map(({ name }) => name)
    this.#tainted = new Set(machines.filter(({ kind }) => kind === 'hostile').map(({ name }) => name))
    // A run is over when nothing is left to happen, and links here end: nobody has to be asked.
    this.limits = { channels, keepAliveInterval: 0 }
    const { scheduler } = network
    this.rings = rings ? new SimRings({ scheduler, random: random.fork('rings'), report, plants }) : undefined
    this.#muxLimits = {
      linkQueue: random.pick([1, 8192, 131_072]),
      sendQueue: random.pick([1, 4096, 262_144]),
      growWithin: random.pick([0, 250]),
      ...plants.muxLimits,
    }
    this.#node = network.node('bus')
    this.start()
  }

  get broker(): Broker | undefined {
    return this.#broker
  }

  get node(): SimNode {
    return this.#node
  }

  /** Sessions that are observed: those of living processes. */
  get muxes(): readonly ObservedMux[] {
    return this.#muxes
  }

  start(): void {
    if (!this.#node.alive) this.#node = this.network.node('bus')
    this.#node.relays = true
    const { env } = this.#node
    const observe = (event: BusEvent): void => this.#observed(event)
    this.#epochs = new Map()
    this.#broker = new (this.#plants.broker ?? Broker)({
      env,
      policy: this.#policy,
      limits: this.limits,
      observe,
      rings: this.rings?.allocator(this.#node),
    })
    for (const name of this.#declared) this.#broker.declare(name)
  }

  kill(): void {
    this.#broker = undefined
    this.#listeners.clear()
    this.network.kill(this.#node)
  }

  /** One mux link to the bus. */
  dialMux(partition: string, node: SimNode, prepare: (link: SimLink) => void = () => {}): Carrier {
    const [near, accepted] = this.#muxLink(partition, node)
    prepare(near)
    const carrier = new MuxCarrier(near, { side: 'partition', env: node.env, limits: this.#muxLimits })
    accepted(carrier)
    return this.observe(partition, node, carrier)
  }

  /** The bare link of a partition, with the bus at its other end. */
  dialRaw(partition: string, node: SimNode): SimLink {
    const [near, accepted] = this.#muxLink(partition, node)
    accepted(undefined)
    return near
  }

  /** The near end, and what attaches the far one to the bus when it is known what the near one is used for. */
  #muxLink(partition: string, node: SimNode): [near: SimLink, accepted: (dialled: Carrier | undefined) => void] {
    const broker = this.#running()
    const [near, far] = this.network.link(node, this.#node)
    const { env } = this.#node
    const carrier = new MuxCarrier(far, { side: 'bus', env, limits: this.#muxLimits })
    const accepted = (dialled: Carrier | undefined): void => {
      this.observe(`bus to ${partition}`, this.#node, carrier)
      this.#attach(broker, partition, carrier, { dialled: dialled ?? carrier, here: false })
    }
    return [near, accepted]
  }

  #attach(
    broker: Broker,
    partition: string,
    carrier: Carrier,
    { dialled, here }: { dialled?: Carrier; here: boolean },
  ): void {
    const epoch = (this.#epochs.get(partition) ?? 0) + 1
    this.#epochs.set(partition, epoch)
    const session = broker.attach(partition, this.origins.serve(carrier, { partition, epoch }, dialled), { here })
    this.#memory.session(`bus for ${partition}`, this.#node, session)
    if (here) this.#memory.carrier(`bus to ${partition}`, this.#node, carrier)
  }

  /** A link for each channel. */
  dialSockets(partition: string, node: SimNode): Carrier {
    const dial = (): SimLink => {
      const listener = this.#listener(partition)
      const [near, far] = this.network.link(node, this.#node)
      listener.accept(this.#plants.accepted?.(far) ?? far)
      return near
    }
    const carrier = new DialledCarrier(dial(), async () => dial())
    this.#memory.carrier(partition, node, carrier)
    return carrier
  }

  observe(name: string, node: SimNode, carrier: MuxCarrier): MuxCarrier {
    const observed = { name, node, carrier }
    this.#muxes.push(observed)
    this.#memory.carrier(name, node, carrier)
    void carrier.closed.then(() => {
      this.#muxes = this.#muxes.filter((other) => other !== observed && other.node.alive)
    })
    return carrier
  }

  #running(): Broker {
    if (this.#broker === undefined) throw new BusbarError('LINK_LOST', 'the bus is not there')
    return this.#broker
  }

  #listener(partition: string): CarrierListener {
    const broker = this.#running()
    let listener = this.#listeners.get(partition)
    if (listener === undefined) {
      const onCarrier = (carrier: Carrier): void => this.#attach(broker, partition, carrier, { here: true })
      listener = new CarrierListener({ env: this.#node.env, limits: this.limits, onCarrier })
      this.#listeners.set(partition, listener)
      this.#memory.listener(`bus for ${partition}`, this.#node, listener)
    }
    return listener
  }

  #observed(event: BusEvent): void {
    if (event.kind === 'refused') {
      const { caller, target, service } = event.question
      this.#report.note(`bus refuses ${caller} ${target}/${service}: ${event.reason.code}`)
    } else if (event.kind === 'detached') {
      this.#report.note(`bus: ${event.partition} detached from epoch ${event.epoch}: ${event.reason.code}`)
      const broken =
        event.reason.code === 'PROTOCOL' || event.reason.code === 'MALFORMED' || event.reason.code === 'INTERNAL'
      this.#report.check(!broken || this.#tainted.has(event.partition), 'I2', () => {
        return `the bus threw ${event.partition} out: ${event.reason.code} ${event.reason.message}`
      })
      if (event.reason.code === 'STALE_EPOCH') this.#report.sometimes('attached again while the old session was there')
    } else if (event.kind === 'attached') this.#report.note(`bus: ${event.partition} attached, epoch ${event.epoch}`)
    else this.#report.note(`bus: ${event.partition}/${event.service} ${event.kind}`)
  }
}
