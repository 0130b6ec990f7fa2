import type { Pipe } from '../../pipe/index.ts'
import {
  type AssociationGroups,
  type Caller,
  type IncomingCall,
  type RpcInterface,
  RpcServer,
} from '../../rpc/index.ts'
import type { SimNode } from './node.ts'
import { WatchedAccess } from './rpc-middle.ts'
import { readHead, RPC_ECHO, RPC_OPERATIONS, RPC_SERVER_LIMITS, WatchedGroups } from './rpc-echo.ts'
import type { World } from './world.ts'

/** How the limit is named of which a link is over that its caller should not have opened. */
const TOO_MANY_LINKS = 'limit callerLinks'

/** The serving side of one association: plain operations behind one pipe, for one caller. */
export class RpcSession {
  readonly server: RpcServer
  readonly node: SimNode
  readonly #world: World
  readonly #caller: Caller
  readonly #tainted: boolean
  readonly #groups: WatchedGroups
  readonly #access: WatchedAccess
  #refused = 0

  /** Takes the pipe. `groups` are those of the caller. */
  constructor(world: World, node: SimNode, pipe: Pipe, caller: Caller, groups: AssociationGroups, tainted: boolean) {
    this.#world = world
    this.node = node
    this.#caller = caller
    this.#tainted = tainted
    this.#groups = new WatchedGroups(node.env, groups)
    const plain: RpcInterface = {
      id: RPC_ECHO,
      opnums: RPC_OPERATIONS.length,
      dispatch: (call) => this.#dispatch(call),
    }
    const served = world.plants.rpcInterface?.(plain) ?? plain
    this.#access = new WatchedAccess(pipe, () => {
      world.report.sometimes('a caller left more answers unread than it may, on all its links')
    })
    this.server = new RpcServer(this.#access, {
      env: node.plainEnv,
      limits: { ...RPC_SERVER_LIMITS, ...world.plants.rpcLimits },
      groups: this.#groups,
      // Not the name under which its objects are served: whoever comes first says what limits a caller has.
      caller: `plain ${caller.partition}`,
      lookup: ({ uuid, major }) => (uuid === RPC_ECHO.uuid && major === RPC_ECHO.major ? served : undefined),
    })
    this.#checkLinks()
  }

  /** I7 for all links of a caller to this process. */
  #checkLinks(): void {
    const { rpcSessions, report } = this.#world
    rpcSessions.add(this)
    void this.server.closed.then(() => rpcSessions.delete(this))
    const ofCaller = [...rpcSessions].filter(({ node, server, partition }) => {
      return node === this.node && partition === this.partition && server.inspect().state !== 'closed'
    })
    const { callerLinks } = RPC_SERVER_LIMITS
    report.check(ofCaller.length <= callerLinks, 'I7', () => {
      return `${this.partition} has ${ofCaller.length} links to ${this.node.name}, and ${callerLinks} may be`
    })
  }

  get partition(): string {
    return this.#caller.partition
  }

  /** Its caller was cut off before: it begins later. */
  get putOff(): boolean {
    return !this.#access.begun
  }

  /** Settles when the association is over, and what that showed was looked at. */
  async run(): Promise<void> {
    const { report, cutOff } = this.#world
    if (this.putOff) report.sometimes('an association of a caller that was cut off began later')
    const reason = await this.server.closed
    if (reason?.message.startsWith(TOO_MANY_LINKS) === true) {
      cutOff.add(this.#caller.partition)
      return report.sometimes('a caller had as many links as it may')
    }
    const { arriving, unknown, full } = this.#groups
    if (full) report.sometimes('requests in fragments held all that they may')
    if (arriving && this.server.inspect().calls.refused === this.#refused) {
      report.sometimes('link broke between the fragments of a request')
      if (reason?.code === 'PEER_DIED') report.sometimes('a caller died between the fragments of its request')
    }
    if (reason !== undefined) {
      this.#world.expectFailure(`the association with ${this.#caller.partition}`, reason, this.#tainted || unknown)
    }
  }

  async #dispatch(call: IncomingCall): Promise<Uint8Array> {
    this.#groups.arriving = false
    const { running, refused } = this.server.inspect().calls
    this.#refused = refused
    const { stub, opnum } = call
    const { report, calls } = this.#world
    report.check(running <= RPC_SERVER_LIMITS.calls, 'I7', () => `${running} calls run on one association`)
    const { call: id, value } = readHead(call)
    const model = calls.invoked(id, this.#caller, this.#tainted)
    const answered = (): void => {
      if (model !== undefined) model.answered = true
    }
    switch (RPC_OPERATIONS[opnum]) {
      case 'wait': {
        const { signal } = call
        const cancelled = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        await Promise.race([this.node.sleep(value), cancelled])
        break
      }
      case 'deaf':
        await this.node.sleep(value)
        if (model?.forgotten?.() === true) report.sometimes('an operation went on after its call was orphaned')
        break
      case 'grow':
        answered()
        return new Uint8Array(RPC_SERVER_LIMITS.response + 1)
      case 'echo':
      case undefined:
    }
    answered()
    return stub
  }
}
