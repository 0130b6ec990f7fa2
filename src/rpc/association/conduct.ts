import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import type { Env, Timer } from '../../link/index.ts'
import type { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import { type CallerAccount, Callers } from './callers.ts'

/** What a link was closed with because of what its client sent. */
const OFFENCES: ReadonlySet<string> = new Set<ErrorCode>(['LIMIT', 'MALFORMED', 'PROTOCOL'])

/** How the client of one association behaves: what it is cut off for, and what its caller is remembered by. */
export class Conduct {
  readonly caller: CallerAccount
  readonly #access: RpcAccess
  readonly #env: Env
  readonly #limits: RpcLimits
  readonly #begin = (): void => this.#access.read()
  #entered = false
  #struck = false
  #mistakes = 0
  #stalled: Timer | undefined

  /** `name` as in `RpcServerOptions.caller`. */
  constructor(access: RpcAccess, env: Env, limits: RpcLimits, name: string | undefined) {
    this.#access = access
    this.#env = env
    this.#limits = limits
    this.caller = Callers.of(env).caller(name, limits)
  }

  /** Reads the link, which was started `held`, when the caller may begin another association. */
  begin(): void {
    this.#entered = this.caller.enter(this.#begin)
    if (!this.#entered) this.#cutOff('callerLinks', 'links of one caller')
  }

  /** The client asked for so much that cannot be, since the last time. */
  mistaken(times: number): void {
    this.#mistakes += times
    if (this.#mistakes > this.#limits.mistakes) this.#cutOff('mistakes', 'contexts and calls that cannot be')
  }

  /** Nothing is read of the client, because it reads nothing, or it is again. */
  stalled(stalled: boolean): void {
    this.#stalled?.cancel()
    this.#stalled = undefined
    if (!stalled) return
    const { taken } = this.#access
    this.#stalled = this.#env.timer(this.#limits.stalled, () => {
      if (this.#access.taken === taken) this.#cutOff('stalled', 'milliseconds in which it reads none of its answers')
      else this.stalled(true)
    })
  }

  /** The client broke the protocol, or a limit. */
  strike(): void {
    if (this.#struck) return
    this.#struck = true
    this.caller.strike()
  }

  /** The link is over. */
  over(reason: BusbarError | undefined): void {
    this.stalled(false)
    if (!this.#entered) return
    if (reason !== undefined && OFFENCES.has(reason.code)) this.strike()
    this.caller.leave(this.#begin)
  }

  #cutOff(limit: keyof RpcLimits, what: string): void {
    const message = `limit ${limit}: a client had more than ${this.#limits[limit]} ${what}`
    this.#access.close(new BusbarError('LIMIT', message))
  }
}
