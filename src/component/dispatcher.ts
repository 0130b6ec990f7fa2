import type { Reader, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  type Caller,
  DEFAULT_RPC_LIMITS,
  type Env,
  type IncomingCall,
  numbersOf,
  type Page,
  procedureAt,
  type RefPort,
  type RpcAccess,
  type RpcInterface,
  RpcServer,
  type RpcServerView,
} from '../rpc/index.ts'
import type { ClassTable } from './classes.ts'
import { ServedCall } from './context.ts'
import { crossing, encodeError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Exported } from './exported.ts'
import type { ExportTable } from './exports.ts'
import { type ForeignServing, RefusedReference } from './foreign-serving.ts'
import { Giving } from './giving.ts'
import type { Held } from './held.ts'
import { authorized, type Hooks, NO_HOOKS, through } from './hooks.ts'
import { hresultOf, S_OK } from './hresult.ts'
import { FIRST_OPNUM, type Interface, type Method, type Operation, referenceOf } from './interface.ts'
import type { ObjectLimits } from './limits.ts'
import { beginAnswer, numberIn, readThis } from './orpc.ts'
import { PipeUsage } from './peer-usage.ts'
import { isLong } from './long-page.ts'
import { Producer } from './producer.ts'
import { PromisedResult, PromisedResults, type WaitingCall } from './promised-results.ts'
import { releaseItems } from './references.ts'
import { REM_UNKNOWN_2 } from './rem-unknown.ts'
import { WaitingCalls } from './waiting-calls.ts'

export interface DispatcherOptions {
  readonly env: Env
  readonly limits: ObjectLimits
  readonly exchange: Exchange
  /** Who calls. */
  readonly caller: Caller
  /** What is on offer here; absent where nothing can be activated. */
  readonly classes: ClassTable | undefined
  readonly hooks?: Hooks
  /** For a peer that has addresses in place of a pipe. */
  readonly foreign?: ForeignServing
}

/**
 * Serves the objects of this side to the peer on one association. A call reaches a method only by an identity that was
 * given on this pipe, an interface that belongs to it, and a number that its contract contains.
 */
export class Dispatcher {
  readonly #env: Env
  readonly #classes: ClassTable | undefined
  readonly #giving: Giving
  readonly #caller: Caller
  readonly #limits: ObjectLimits
  readonly #exchange: Exchange
  readonly #exports: ExportTable
  readonly #foreign: ForeignServing | undefined
  readonly #hooks: Hooks
  readonly #hooked: boolean
  readonly #usage: PipeUsage
  readonly #rpc: RpcServer
  readonly #promised: PromisedResults
  readonly #waiting: WaitingCalls
  readonly #port: RefPort

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: DispatcherOptions) {
    const { env, limits, exchange, caller, classes, foreign, hooks = NO_HOOKS } = options
    this.#env = env
    this.#limits = limits
    this.#exchange = exchange
    this.#exports = exchange.exports
    this.#caller = caller
    this.#classes = classes
    this.#giving = new Giving(exchange, classes)
    this.#foreign = foreign
    this.#hooks = hooks
    this.#hooked = hooks.serves.length > 0 || hooks.authorize.length > 0
    this.#usage = new PipeUsage(exchange.usage, limits)
    this.#promised = new PromisedResults(limits.rpc.calls ?? DEFAULT_RPC_LIMITS.calls)
    this.#waiting = new WaitingCalls({
      ...{ env, usage: this.#usage },
      serve: (waited) => this.#serve(waited.through, waited.call, waited),
      refused: (promise) => this.#over(promise),
    })
    this.#port = {
      give: (contract, value) => this.#giving.give(contract, value),
      take: (contract, reference) => exchange.taken(contract, reference),
    }
    this.#rpc = new RpcServer(access, {
      env,
      limits: limits.rpc,
      groups: exchange.usage.groups(env, limits),
      ...(foreign === undefined ? { pipelines: true, caller: caller.partition } : { address: foreign.address }),
      lookup: (id, group) =>
        foreign?.beside(id, group) ?? (id.major === 0 && id.minor === 0 ? this.#interface(id.uuid) : undefined),
    })
    void this.#rpc.closed.then(() => this.#usage.end())
  }

  /** Settles once: `undefined` when the association ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#rpc.closed
  }

  close(reason?: BusbarError): void {
    this.#rpc.close(reason)
  }

  inspect(): RpcServerView {
    return this.#rpc.inspect()
  }

  #interface(uuid: string): RpcInterface | undefined {
    const found: Interface | undefined = this.#exports.interface(uuid) ?? this.#classes?.interface(uuid)
    if (found === undefined) return undefined
    return {
      // An interface of objects has no version of its own (MS-DCOM 3.1.1.5.4.2): another version has another identifier.
      id: { uuid, major: 0, minor: 0 },
      opnums: FIRST_OPNUM + numbersOf(found.procedures),
      dispatch: (call) => (this.#foreign === undefined ? this.#serve(found, call) : this.#serveForeign(found, call)),
    }
  }

  /** The same for a peer without a pipe, where a reference that cannot be taken is answered with an HRESULT. */
  #serveForeign(through: Interface, call: IncomingCall): undefined {
    const object = this.#exports.get(call.object)?.object
    if (object !== undefined) this.#foreign?.called(object)
    try {
      this.#serve(through, call)
    } catch (thrown) {
      const operation = procedureAt(through.procedures, call.opnum - FIRST_OPNUM)
      if (!(thrown instanceof RefusedReference) || operation === undefined) throw thrown
      this.#refuse(operation, call, thrown)
    }
  }

  #refuse(operation: Operation, call: IncomingCall, refusal: RefusedReference): void {
    this.#answerZero(operation, call, encodeError(crossing(refusal)), refusal.hresult)
  }

  /** One call, which may have `waited`. What is thrown here crosses as a fault: the call did not reach a method. */
  #serve(through: Interface, call: IncomingCall, waited?: WaitingCall): undefined {
    let exported = this.#exports.get(call.object)
    if (exported === undefined && this.#rpc.pipelined) {
      const promised = this.#promised.find(call.object)
      if (promised instanceof PromisedResult && !promised.lost) return this.#wait(promised, through, call)
      if (typeof promised === 'string') exported = this.#exports.get(promised)
    }
    if (exported === undefined || (exported.interface.uuid !== through.uuid && exported.interface.base !== through)) {
      throw new BusbarError('NO_SUCH_OBJECT', `no object ${call.object} with ${through.name} was given on this pipe`)
    }
    const operation = procedureAt(exported.interface.procedures, call.opnum - FIRST_OPNUM)
    const method = operation === undefined ? undefined : exported.methods[operation.name]
    if (operation === undefined || method === undefined) {
      throw new BusbarError('NOT_IN_CONTRACT', `${through.name} has no method ${call.opnum - FIRST_OPNUM}`)
    }
    const reader = call.arguments()
    const size = reader.left
    const streams = operation.pull !== undefined
    const context = new ServedCall(this.#caller, call, this.#env, readThis(reader), streams, size, waited?.since)
    context.promise = waited?.promise
    const full = this.#usage.full(size)
    if (full !== undefined && exported.interface !== REM_UNKNOWN_2) {
      // As an answer this could say which limit it was, but then the references among the arguments would count as taken.
      if (operation.request.refs) throw full
      this.#answerZero(operation, call, encodeError(crossing(full)), hresultOf(full.code))
      return
    }
    if (this.#hooked && isComponent(exported)) return this.#hook(exported, operation, method, call, context, reader)
    const args = this.#arguments(exported, operation, reader, context)
    this.#begin(exported, operation, call, context)
    let value: unknown
    try {
      value = method.call(exported.methods, args, context)
    } catch (thrown) {
      this.#failure(exported, operation, call, context, thrown)
      return
    }
    this.#settle(exported, operation, call, context, value)
  }

  /** The same with hooks around it. The object stays while it is decided whether the call may be served. */
  #hook(
    exported: Exported,
    operation: Operation,
    method: Method,
    call: IncomingCall,
    context: ServedCall,
    reader: Reader,
  ): undefined {
    const called = { contract: exported.interface.name, method: operation.name, path: operation.path }
    const run = (): undefined => {
      const args = this.#arguments(exported, operation, reader, context)
      let value: unknown
      try {
        value = through(this.#hooks.serves, { ...called, args, context }, (passed) =>
          method.call(exported.methods, passed.args, passed.context),
        )
      } catch (thrown) {
        this.#failure(exported, operation, call, context, thrown)
        return
      }
      this.#settle(exported, operation, call, context, value)
    }
    this.#begin(exported, operation, call, context)
    try {
      const allowed = authorized(this.#hooks.authorize, context, called)
      if (allowed === undefined) return run()
      allowed
        .then(() => (this.#usage.over ? this.#unserved(exported, context) : run()))
        .catch((thrown: unknown) => {
          if (thrown instanceof RefusedReference) this.#refuse(operation, call, thrown)
          else call.fail(thrown)
          this.#unserved(exported, context)
        })
    } catch (thrown) {
      this.#unserved(exported, context)
      throw thrown
    }
  }

  #begin(exported: Exported, operation: Operation, call: IncomingCall, context: ServedCall): void {
    this.#exports.begun(exported)
    this.#usage.begin(context.size)
    context.promise ??= this.#promise(operation, call)
    if (context.promise !== undefined) context.promise.runs = true
  }

  /** What calls can go to that name this one, if its result is a reference. */
  #promise(operation: Operation | undefined, call: IncomingCall): PromisedResult | undefined {
    if (!this.#rpc.pipelined || operation === undefined || referenceOf(operation) === undefined) return undefined
    return this.#promised.begin(numberIn(call.arguments()), call)
  }

  /** It reached no method, but those who decided may have looked at its signal. */
  #unserved(exported: Exported, context: ServedCall): void {
    context.end()
    this.#finish(exported, context)
  }

  /** The call was answered. */
  #finish(exported: Exported, { size, promise }: ServedCall): void {
    this.#usage.finish(size)
    this.#exports.finished(exported)
    if (promise !== undefined) this.#over(promise)
  }

  #over(promise: PromisedResult): void {
    this.#promised.end(promise)
    this.#waiting.resume(promise)
  }

  /** A call on what another one is going to give. */
  #wait(on: PromisedResult, through: Interface, call: IncomingCall): undefined {
    const full = this.#usage.full(call.arguments().left)
    // What it goes to is not known, so neither is whether references are among its arguments: as a fault none are taken.
    if (full !== undefined) throw full
    this.#waiting.add(on, through, call, this.#promise(procedureAt(through.procedures, call.opnum - FIRST_OPNUM), call))
  }

  #settle(exported: Exported, operation: Operation, call: IncomingCall, context: ServedCall, value: unknown): void {
    if (isPromise(value)) {
      value.then(
        (result) => this.#answer(exported, operation, call, context, result),
        (thrown: unknown) => this.#failure(exported, operation, call, context, thrown),
      )
    } else this.#answer(exported, operation, call, context, value)
  }

  #arguments(exported: Exported, operation: Operation, reader: Reader, context: ServedCall): unknown {
    if (operation.request.refs) return this.#taken(exported, operation, reader, context)
    const args = operation.request.read(reader, this.#port)
    reader.done(operation.path)
    return args
  }

  /** Arguments with references: all of them are taken, or none, and then the fault says so. */
  #taken({ share }: Exported, { request, path }: Operation, reader: Reader, context: ServedCall): unknown {
    // What is passed on is this side's for no longer than the call.
    const fresh: Held[] | undefined = share === undefined ? undefined : []
    const port = fresh === undefined ? this.#port : this.#exchange.noting(this.#port, fresh)
    try {
      const args = request.read(reader, port)
      reader.done(path)
      this.#exchange.took()
      if (fresh !== undefined) context.passes(fresh)
      context.lend(this.#exchange.arrived())
      return args
    } catch (thrown) {
      this.#exchange.disown()
      this.#exchange.arrived()
      throw thrown
    }
  }

  #answer(exported: Exported, operation: Operation, call: IncomingCall, context: ServedCall, value: unknown): void {
    const { reply, pull, hresult } = operation
    let result = value
    let writer: Writer
    try {
      const next = pull?.procedures[0]
      if (next !== undefined) result = this.#producer(value, operation, next, context, exported.share !== undefined)
      writer = beginAnswer(call, reply.measure(result) + 8, undefined, exported.object.stream && isLong(result as Page))
      reply.write(writer, result, this.#port)
      writer.align(4)
      writer.u32(hresult === undefined ? S_OK : hresult(result))
      if (reply.refs) {
        // Nobody will take what this answer gives: whatever it is must not wait for the pipe to close.
        if (call.cancelled) throw new BusbarError('CANCELLED', 'the caller is no longer waiting')
        const given = this.#exchange.commit()
        this.#foreign?.gave(given)
        // What comes home is with the caller already, who calls it there.
        if (context.promise !== undefined) context.promise.ipid = given[0]?.exported.ipid
      }
    } catch (thrown) {
      call.discard()
      if (reply.refs) this.#giving.letGo(operation, result)
      if (reply.refs) releaseBorrowed(exported, operation, result)
      this.#failure(exported, operation, call, context, thrown)
      return
    }
    call.answer(writer)
    if (reply.refs) releaseBorrowed(exported, operation, result)
    if (pull === undefined) context.end()
    this.#finish(exported, context)
  }

  #producer(value: unknown, { path }: Operation, next: Operation, context: ServedCall, passedOn: boolean): Producer {
    const unsent = (items: readonly unknown[]): void => {
      if (producer.borrowed) releaseItems(next, items)
      else if (next.reply.refs) this.#giving.discard(next, { items, done: false })
    }
    const producer = new Producer(value, path, next.reply, context, this.#env, this.#limits, passedOn, unsent)
    return producer
  }

  #failure(exported: Exported, operation: Operation, call: IncomingCall, context: ServedCall, thrown: unknown): void {
    context.end()
    const { share, object } = exported
    const error = crossing(thrown, share !== undefined || (object.value instanceof Producer && object.value.passedOn))
    this.#answerZero(operation, call, encodeError(error), hresultOf(error.code))
    this.#finish(exported, context)
  }

  #answerZero({ reply }: Operation, call: IncomingCall, error: Uint8Array, hresult: number): void {
    const writer = beginAnswer(call, reply.measure(reply.zero) + 8, error)
    reply.write(writer, reply.zero, this.#port)
    writer.align(4)
    writer.u32(hresult)
    call.answer(writer)
  }
}

/** Items that nobody on this side sees are not its own once their page has left, or will not leave. */
function releaseBorrowed({ object }: Exported, next: Operation, page: unknown): void {
  if (object.value instanceof Producer && object.value.borrowed) releaseItems(next, (page as Page).items)
}

/** An object that was given: not what the peer knows without that, and not the items of a stream. */
function isComponent({ references, object }: Exported): boolean {
  return references !== Number.POSITIVE_INFINITY && !object.stream
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
