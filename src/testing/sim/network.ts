import { drawLinkPolicy } from './link-policy.ts'
import { SimNode } from './node.ts'
import type { Plants } from './plants.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import type { Scheduler } from './scheduler.ts'
import { SimLink } from './sim-link.ts'

/** The processes of the world and the links between them. */
export class Network {
  readonly scheduler: Scheduler
  readonly #random: SimRandom
  readonly #report: Report
  readonly #nodes: SimNode[] = []
  #links: (readonly [SimLink, SimLink])[] = []
  readonly #plants: Plants
  #made = 0
  /** Told of both ends of each link. */
  linked: ((end: SimLink) => void) | undefined

  constructor(scheduler: Scheduler, random: SimRandom, report: Report, plants: Plants) {
    this.#plants = plants
    this.scheduler = scheduler
    this.#random = random
    this.#report = report
  }

  node(name: string): SimNode {
    const id = this.#nodes.length
    const node = new SimNode(id, name, this.scheduler, this.#random.fork(`node ${id}`), this.#plants)
    this.#nodes.push(node)
    return node
  }

  link(near: SimNode, far: SimNode): [SimLink, SimLink] {
    const random = this.#random.fork(`link ${this.#made++}`)
    const pair = SimLink.pair([near, far], this.scheduler, random, this.#report, drawLinkPolicy(random))
    this.#links.push(pair)
    for (const end of pair) this.linked?.(end)
    return pair
  }

  /** The process dies: the other ends of its links lose them, each at its own time. */
  kill(node: SimNode): void {
    if (!node.alive) return
    this.#report.note(`${node.name} is killed`)
    for (const [a, b] of this.open()) if (a.node === node || b.node === node) a.die()
    node.kill()
  }

  /** Links that are not over on every living end. */
  open(): readonly (readonly [SimLink, SimLink])[] {
    this.#links = this.#links.filter(([a, b]) => !a.deaf || !b.deaf)
    return this.#links
  }

  linksOf(node: SimNode): SimLink[] {
    return this.open().flatMap(([a, b]) => [a, b].filter((link) => link.node === node))
  }

  living(): readonly SimNode[] {
    return this.#nodes.filter(({ alive }) => alive)
  }
}
