import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { type Env, patientTimer, type Timer } from '../../link/index.ts'
import type { AccessAccount, RpcAccess } from '../access.ts'
import type { AccessTurns } from '../incoming.ts'
import type { RpcLimits } from '../limits.ts'
import { type CallerAccount, Callers, type Entrant, grantsOf } from './callers.ts'
import type { Share } from './turns.ts'

/** What a link was closed with because of what its client sent. */
const OFFENCES: ReadonlySet<string> = new Set<ErrorCode>(['LIMIT', 'MALFORMED', 'PROTOCOL'])

/** How the client of one association behaves: what it is cut off for, what its caller is remembered by, and in whose turns it is served. */
export class Conduct implements AccessTurns, AccessAccount {
  /** The client was answered a call that it made well: without a name, it has turns of its own from the next chunk on. */
  answered = false
  readonly #caller: CallerAccount
  /** Those among whom it comes in. */
  readonly #entry: CallerAccount
  readonly #access: RpcAccess
  readonly #env: Env
  readonly #limits: RpcLimits
  readonly #entrant: Entrant
  readonly #share: Share
  /** It counts among those. */
  #entered = false
  #struck = false
  #mistakes = 0
  #stalled: Timer | undefined

  /** `name` as in `RpcServerOptions.caller`; `begun` is told when the link is read. */
  constructor(access: RpcAccess, env: Env, limits: RpcLimits, name: string | undefined, begun: () => void) {
    const grants = grantsOf(limits)
    this.#entrant = {
      grant: name === undefined ? grants.newcomers : grants.named,
      begin: () => {
        begun()
        access.read()
      },
      evict: () => this.#turnAway('newcomers', 'links without a name that were not answered a call yet'),
    }
    this.#access = access
    this.#env = env
    this.#limits = limits
    const callers = Callers.of(env)
    this.#caller = name === undefined ? callers.nameless() : callers.named(name, limits.callers)
    this.#entry = name === undefined ? callers.newcomers : this.#caller
    this.#share = this.#caller.share
    this.#share.of = this.#entry.share
  }

  /** Reads the link, which was started `held`, when the caller may begin another association. */
  enter(): void {
    // What has come already is read meanwhile, and may be the end of the link.
    this.#entered = true
    if (this.#entry.enter(this.#entrant)) return
    this.#entered = false
    if (this.#entry === this.#caller) this.#turnAway('callerLinks', 'links of one caller')
    else this.#turnAway('newcomers', 'links without a name that wait to be served')
  }

  begin(): boolean {
    if (this.answered && this.#entry !== this.#caller && this.#entered) this.#prove()
    return this.#share.begin()
  }

  next(): Promise<void> {
    return this.#share.next()
  }

  rest(): Promise<void> {
    return this.#share.rest()
  }

  get patient(): boolean {
    return this.#share.patient
  }

  spent(): boolean {
    return this.#share.spent()
  }

  end(): void {
    this.#share.end()
  }

  pause(): Promise<void> | undefined {
    return this.#share.pause()
  }

  /** What the caller has not read, on links that take no more, `bytes`. */
  get unsent(): number {
    return this.#caller.unsent
  }

  set unsent(bytes: number) {
    this.#caller.unsent = bytes
  }

  get clogged(): boolean {
    return this.#caller.unsent > this.#limits.callerUnsent
  }

  /** The client asked for so much that cannot be, since the last time. */
  mistaken(times: number): void {
    this.#mistakes += times
    if (this.#mistakes > this.#limits.mistakes) this.cutOff('mistakes', 'contexts and calls that cannot be')
  }

  /** Nothing is read of the client, because it reads nothing, or it is again. */
  stalled(stalled: boolean): void {
    this.#stalled?.cancel()
    this.#stalled = undefined
    if (!stalled) return
    const { taken } = this.#access
    this.#stalled = patientTimer(this.#env, this.#limits.stalled, (late) => {
      if (this.#access.taken === taken && !late)
        this.cutOff('stalled', 'milliseconds in which it reads none of its answers')
      else this.stalled(true)
    })
  }

  /** The client broke the protocol, or a limit. */
  strike(): void {
    if (this.#struck) return
    this.#struck = true
    this.#entry.strike(this.#entrant.grant)
  }

  /** The link is over. */
  over(reason: BusbarError | undefined): void {
    this.stalled(false)
    if (reason !== undefined && OFFENCES.has(reason.code)) this.strike()
    if (this.#entered) this.#entry.leave(this.#entrant)
  }

  #prove(): void {
    this.#share.of = this.#share
    this.#entry.leave(this.#entrant)
    this.#entered = false
  }

  /** There are too many, which is held against none of them. */
  #turnAway(limit: keyof RpcLimits, what: string): void {
    this.#struck = true
    this.cutOff(limit, what)
  }

  /** Closes the link, for that limit. */
  cutOff(limit: keyof RpcLimits, what: string): void {
    const message = `limit ${limit}: a client had more than ${this.#limits[limit]} ${what}`
    this.#access.close(new BusbarError('LIMIT', message))
  }
}
