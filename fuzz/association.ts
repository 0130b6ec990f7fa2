import { BusbarError } from '../src/errors/index.ts'
import { AssociationGroups, type PresentationContext, RpcAccess, RpcClient, RpcServer } from '../src/rpc/index.ts'
import { StillEnv } from '../src/testing/index.ts'
import { Echo, ECHO, LIMITS, lookup, OTHER } from './echo.ts'
import { CountedAbort, type SimRandom } from './inside.ts'
import { Middle } from './middle.ts'
import { mutatePdu } from './mutate.ts'
import { type Corpus, FEATURES, type Sender } from './pdus.ts'
import { decodeSteps, encodeSteps, type Step } from './steps.ts'
import { check, pattern, settle, type Target } from './target.ts'

/** What may happen, with how often it does: `a` and `b` choose the side, the call, the place or the size. */
const OPS = [
  ['call', 12],
  ['pass', 40],
  ['cancel', 4],
  ['release', 8],
  ['fail', 2],
  ['time', 3],
  ['bind', 3],
  ['settle', 6],
  ['pause', 1],
  ['resume', 2],
  // Only as the first of all: there is one bind.
  ['mask', 0],
  ['drop', 2],
  ['twice', 2],
  ['swap', 2],
  ['overwrite', 6],
  ['truncate', 1],
  ['forge', 5],
  ['end', 1],
  ['close', 1],
  ['shutdown', 1],
  ['leave', 1],
] as const

/** From here on the bytes are no longer those that a side sent. */
const FIRST_LIE = OPS.findIndex(([name]) => name === 'drop')
/** Unread bytes in a direction before its writer waits (our choice: two fragments). */
const WINDOW = 4_096
/** The client has more calls out than the server takes. */
const CLIENT_LIMITS = { ...LIMITS, calls: 2 * LIMITS.calls }
/** Answers of this size may be asked for and are above what a response may hold. */
const TOO_LARGE = 7_000
/** The feature with which an association outlives an orphaned call. */
const KEEP_ON_ORPHAN = 2
/** Codes of a side that breaks, or of a peer that does. Never `INTERNAL`. */
const NEVER = new Set(['INTERNAL', 'INVALID_ARGUMENT'])

/**
 * A client and a server with somebody between them who passes on, keeps back, reorders, damages and forges what they say,
 * while calls are made, cancelled and answered. Whatever happens, limits hold after each step, and at the end every
 * promise has settled once and both sides hold nothing. If nobody lied, every call has the outcome that it should have.
 */
export function association(corpus: Corpus): Target {
  return {
    name: 'association',
    draw(random) {
      const lies = random.chance(0.7)
      const weights = OPS.slice(0, lies ? OPS.length : FIRST_LIE)
      const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
      const mask = random.chance(0.5) ? [step('mask', random.below(2), random.pick(FEATURES))] : []
      const opening: Step[] = random.chance(0.9) ? [step('pass', 0, 255), step('settle'), step('pass', 1, 255)] : []
      const steps = Array.from({ length: random.sized(60) }, () => {
        let left = random.below(total)
        const op = weights.findIndex(([, weight]) => (left -= weight) < 0)
        return drawStep(random, op, corpus)
      })
      // More calls that wait than the server takes.
      const burst = Array.from({ length: random.chance(0.2) ? random.between(3, 10) : 0 }, () => step('call', 3, 20))
      return encodeSteps([...mask, ...opening, step('settle'), ...burst, ...steps])
    },
    async run(input) {
      const world = new AssociationWorld()
      await settle()
      for (const each of decodeSteps(input)) {
        world.happen(each)
        await (nameOf(each) === 'settle' ? settle() : Promise.resolve())
        world.checkLimits()
      }
      await world.finish()
      return world.outcome
    },
  }
}

function nameOf({ op }: Step): (typeof OPS)[number][0] | undefined {
  return OPS[op % OPS.length]?.[0]
}

function step(name: (typeof OPS)[number][0], a = 0, b = 0): Step {
  return { op: OPS.findIndex(([each]) => each === name), a, b, bytes: new Uint8Array(0) }
}

function drawStep(random: SimRandom, op: number, corpus: Corpus): Step {
  const name = OPS[op]?.[0]
  const a = random.chance(0.5) ? random.below(2) : random.below(256)
  if (name === 'pass') return { op, a, b: random.chance(0.4) ? 255 : random.sized(4), bytes: new Uint8Array(0) }
  if (name === 'overwrite') {
    const b = random.pick([2, 3, 3, 4, 8, 10, 12, 16, 20, 22, 24, 28, random.below(60)])
    const bytes = random.fill(new Uint8Array(random.sized(4)))
    if (random.chance(0.6)) bytes.fill(random.pick([0, 1, 2, 3, 0x10, 0x7f, 0xff]))
    return { op, a, b, bytes }
  }
  if (name === 'forge') {
    const sender: Sender = a % 2 === 0 ? 'client' : 'server'
    const pdu = random.pick(corpus[sender])
    return { op, a, b: 0, bytes: random.chance(0.4) ? mutatePdu(random, pdu) : pdu }
  }
  return { op, a, b: random.chance(0.8) ? random.sized(300) : random.below(TOO_LARGE), bytes: new Uint8Array(0) }
}

interface Made {
  readonly opnum: number
  readonly size: number
  readonly abort: CountedAbort
  outcome: string | undefined
}

class AssociationWorld {
  readonly #env = new StillEnv()
  readonly #echo = new Echo()
  readonly #middle = new Middle(WINDOW)
  readonly #groups = new AssociationGroups(this.#env, { reassembly: LIMITS.reassembly })
  readonly #server: RpcServer
  readonly #client: RpcClient
  readonly #contexts: PresentationContext[] = []
  readonly #calls: Made[] = []
  readonly #codes: string[] = []
  #unbound = 0
  #closed = 0
  #late = false
  /** Nobody left, failed or asked for too much: every call has its proper outcome. */
  #calm = true

  constructor() {
    const [env, echo, groups] = [this.#env, this.#echo, this.#groups]
    const { clientLink, serverLink } = this.#middle
    this.#server = new RpcServer(new RpcAccess(serverLink), { env, limits: LIMITS, groups, lookup: lookup(echo) })
    this.#client = new RpcClient(new RpcAccess(clientLink), { env, limits: CLIENT_LIMITS })
    for (const side of [this.#server, this.#client]) {
      void side.closed.then((reason) => {
        this.#closed++
        this.#codes.push(reason?.code ?? 'in order')
        check(reason === undefined || !NEVER.has(reason.code), () => `closed with ${reason?.stack}`)
      })
    }
    this.#bind(0)
  }

  /** What came of everything, as text. */
  get outcome(): string {
    return `${this.#codes.join()} ${this.#calls.map(({ outcome }) => outcome).join()} ${this.#echo.seen.join()}`
  }

  happen(each: Step): void {
    const { a, b, bytes } = each
    const middle = this.#middle
    const sender: Sender = a % 2 === 0 ? 'client' : 'server'
    switch (nameOf(each)) {
      case 'call':
        return this.#call(a, b)
      case 'cancel':
        return this.#calls[a % Math.max(1, this.#calls.length)]?.abort.abort()
      case 'pass':
        return middle.pass(sender, b)
      case 'release':
        if (b > 600) this.#calm = false
        return this.#echo.release(a % Math.max(1, this.#echo.waiting), b > 600 ? b : undefined)
      case 'fail':
        return this.#echo.fail(a % Math.max(1, this.#echo.waiting))
      case 'time':
        this.#late = true
        return this.#env.advance(a * 20)
      case 'bind':
        return this.#bind(a)
      case 'pause':
        return middle.pause()
      case 'resume':
        return middle.resume()
      case 'mask':
        // Then a cancelled call that is not answered costs the association, if others wait.
        if (a % 2 === 0 && (b & KEEP_ON_ORPHAN) === 0) this.#calm = false
        return middle.mask({ multiplexing: a % 2 === 1, features: b })
      case 'drop':
        return middle.alter(sender, (held) => held.splice(0, 1))
      case 'twice':
        return middle.alter(sender, (held) => held.splice(0, 0, ...held.slice(0, 1)))
      case 'swap':
        return middle.alter(sender, (held) => held.splice(0, 2, ...held.slice(0, 2).toReversed()))
      case 'overwrite':
        return middle.alter(sender, (held) =>
          held[0]?.set(bytes.subarray(0, Math.max(0, held[0].length - b)), Math.min(b, held[0].length)),
        )
      case 'truncate':
        return middle.alter(sender, (held) => held.splice(0, 1, ...held.slice(0, 1).map((pdu) => pdu.subarray(0, b))))
      case 'forge':
        return middle.forge(sender, bytes)
      case 'end':
        return middle.end(sender)
      case 'close':
        return middle.close(sender)
      case 'shutdown':
        this.#calm = false
        return this.#server.shutdown()
      case 'leave':
        this.#calm = false
        return a % 2 === 0 ? this.#client.close() : this.#server.close()
      case 'settle':
      case undefined:
        return undefined
    }
  }

  checkLimits(): void {
    const { memory, calls, contexts } = this.#server.inspect()
    const client = this.#client.inspect()
    check(
      memory.partial <= LIMITS.fragment && client.memory.partial <= LIMITS.fragment,
      () => 'more than a PDU is held',
    )
    check(memory.reassembly <= LIMITS.reassembly, () => `${memory.reassembly} bytes of requests are held`)
    check(
      client.memory.reassembly <= LIMITS.reassembly,
      () => `${client.memory.reassembly} bytes of responses are held`,
    )
    check(client.memory.reassembly >= 0 && memory.reassembly >= 0, () => 'less than nothing is held')
    check(calls.running <= LIMITS.calls, () => `${calls.running} calls run`)
    check(client.calls.orphaned <= CLIENT_LIMITS.calls, () => `${client.calls.orphaned} orphaned calls are known`)
    check(client.calls.pending <= CLIENT_LIMITS.calls, () => `${client.calls.pending} calls are out`)
    check(contexts.length <= LIMITS.contexts, () => `${contexts.length} contexts`)
    // One burst of small answers, and one large one, above what makes the server stop reading.
    const most = LIMITS.backlog + LIMITS.response + 2 * WINDOW
    check(memory.unsent <= most, () => `${memory.unsent} bytes of answers wait`)
  }

  /** The one between them stops; components answer; time passes; then both links go. */
  async finish(): Promise<void> {
    const middle = this.#middle
    middle.resume()
    for (let idle = 0; idle < 4; ) {
      await settle()
      const held = middle.held('client') + middle.held('server') + this.#echo.waiting
      idle = held === 0 ? idle + 1 : 0
      middle.pass('client', 255)
      middle.pass('server', 255)
      while (this.#echo.waiting > 0) this.#echo.release()
      if (idle !== 2) continue
      this.#checkQuiet()
      // In the other half of the inputs the timers are still there when the links go.
      if (this.#calls.length % 2 === 0) this.#env.advance(LIMITS.cancelGrace + LIMITS.linger)
    }
    this.checkLimits()
    if (middle.honest && this.#calm) this.#checkOutcomes()
    middle.close('client')
    middle.close('server')
    await settle()
    const waiting = this.#calls.filter(({ outcome }) => outcome === undefined).length
    check(waiting + this.#unbound === 0, () => `${waiting} calls and ${this.#unbound} binds never settle`)
    check(this.#closed === 2, () => `${2 - this.#closed} sides are not closed`)
    for (const { abort } of this.#calls)
      check(abort.listeners === 0, () => `${abort.listeners} listeners stay on a signal`)
    const [client, server] = [this.#client.inspect(), this.#server.inspect()]
    const { pending, queued, cancelled, orphaned } = client.calls
    const held = Object.values({ ...client.memory }).concat(Object.values(server.memory))
    const left = pending + queued + cancelled + orphaned + server.calls.running + this.#groups.size + this.#env.timers
    check(left === 0 && held.every((bytes) => bytes === 0), () => {
      return `left: ${JSON.stringify({ client, server })}, ${this.#groups.size} groups, ${this.#env.timers} timers`
    })
    check(client.state === 'closed' && server.state === 'closed', () => `${client.state} and ${server.state}`)
  }

  /** Everything was passed on and answered: nobody waits for anything, cancelled or not. */
  #checkQuiet(): void {
    if (!this.#middle.honest || !this.#calm) return
    const { pending, queued, cancelled } = this.#client.inspect().calls
    const { running } = this.#server.inspect().calls
    const left = [pending, queued, cancelled, running]
    check(
      left.every((count) => count === 0),
      () => `pending, queued, cancelled, running: ${left.join(', ')}`,
    )
  }

  #checkOutcomes(): void {
    check(this.#closed === 0, () => 'an association ended by itself')
    // Requests in fragments share memory, and the server still runs a call that was orphaned.
    const busy =
      this.#late || this.#calls.length > LIMITS.calls || this.#calls.some(({ size }) => size > LIMITS.fragment - 40)
    for (const { opnum, outcome, abort } of this.#calls) {
      const expected =
        opnum === 1 ? ['FAULT'] : opnum > 4 ? ['NOT_IN_CONTRACT'] : ['value', ...(opnum === 2 ? ['FAULT'] : [])]
      const may = [...expected, ...(abort.signal.aborted ? ['CANCELLED'] : []), ...(busy ? ['BUSY'] : [])]
      check(may.includes(outcome ?? 'nothing'), () => `operation ${opnum} has the outcome ${outcome}`)
    }
  }

  #bind(a: number): void {
    const id = a % 3 === 0 ? ECHO : a % 3 === 1 ? OTHER : { ...OTHER, minor: 9 }
    this.#unbound++
    void this.#client.bind(id).then(
      (context) => {
        this.#unbound--
        this.#contexts.push(context)
      },
      (thrown: unknown) => {
        this.#unbound--
        codeOf(thrown)
      },
    )
  }

  #call(a: number, b: number): void {
    const context = this.#contexts[a % Math.max(1, this.#contexts.length)]
    if (context === undefined) return
    const abort = new CountedAbort()
    const opnum = [0, 0, 1, 2, 2, 2, 3, 4, 9][a % 9] ?? 0
    const size = Math.min(b, LIMITS.request)
    const call: Made = { opnum, size, abort, outcome: undefined }
    this.#calls.push(call)
    const stub = pattern(size, a)
    const options = {
      signal: abort.signal,
      ...(a > 128 ? { object: ECHO.uuid } : {}),
      ...(a % 5 === 0 ? { late() {} } : {}),
    }
    const settled = (outcome: string): void => {
      check(call.outcome === undefined, () => 'a call has two outcomes')
      call.outcome = outcome
    }
    void this.#client.call(context, opnum, stub, options).then(
      (reply) => {
        settled('value')
        if (!this.#middle.honest || opnum === 3 || opnum === 2) return
        check(Buffer.compare(reply.stub, pattern(size, a)) === 0, () => `a call of ${size} bytes came back changed`)
      },
      (thrown: unknown) => settled(codeOf(thrown)),
    )
  }
}

function codeOf(thrown: unknown): string {
  check(thrown instanceof BusbarError && !NEVER.has(thrown.code), () => `not an error for a caller: ${String(thrown)}`)
  return (thrown as BusbarError).code
}
