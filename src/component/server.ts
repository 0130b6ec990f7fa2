import { Reader, Slab, Views } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import {
  type Awaitable,
  type Caller,
  type Contract,
  type Env,
  type IncomingCall,
  type RefPort,
  type RpcAccess,
  type RpcInterface,
  RpcServer,
  type RpcServerView,
} from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID, type Activation } from './activator.ts'
import { Activated, type ClassTable, methodsOf } from './classes.ts'
import { ServedCall } from './context.ts'
import { crossing, encodeError } from './errors.ts'
import { type Exported, ExportTable } from './exports.ts'
import { hresultOf, S_OK } from './hresult.ts'
import { FIRST_OPNUM, type Interface, type Methods, type Operation } from './interface.ts'
import { type ObjectLimits, objectLimits } from './limits.ts'
import { beginAnswer, readThis } from './orpc.ts'
import { Producer } from './producer.ts'
import { REM_UNKNOWN } from './rem-unknown.ts'
import { remUnknownMethods } from './reference-counts.ts'
import { referencesIn } from './references.ts'

export interface ObjectServerOptions {
  readonly env: Env
  readonly classes: ClassTable
  /** Who is at the other end of the pipe, as attested by the bus. */
  readonly caller: Caller
  readonly limits?: Partial<ObjectLimits>
}

/** What the serving side of a pipe shows of itself. */
export interface ObjectServerView {
  readonly caller: Caller
  /** Objects that the caller holds, streams among them. */
  readonly objects: number
  readonly streams: number
  /** Objects given since the pipe opened. */
  readonly given: number
  /** Disposers of components that threw. */
  readonly disposeFailures: number
  readonly rpc: RpcServerView
}

/**
 * Serves the objects of this side to the caller at the other end of one pipe. A call reaches a method only by an
 * identity that was given on this pipe, an interface that belongs to it, and a number that its contract contains.
 */
export class ObjectServer {
  readonly #env: Env
  readonly #classes: ClassTable
  readonly #caller: Caller
  readonly #limits: ObjectLimits
  readonly #exports: ExportTable
  readonly #slab = new Slab()
  readonly #views = new Views()
  readonly #rpc: RpcServer
  readonly #port: RefPort

  /** Takes the access object and the link behind it. */
  constructor(access: RpcAccess, options: ObjectServerOptions) {
    this.#env = options.env
    this.#classes = options.classes
    this.#caller = options.caller
    this.#limits = objectLimits(options.limits)
    this.#exports = new ExportTable(this.#env, this.#limits)
    this.#port = { give: (contract, value) => this.#give(contract, value), take: refuseArgument }
    const remUnknown = this.#exports.newIpid()
    this.#exports.install(remUnknown, REM_UNKNOWN, remUnknownMethods(this.#exports))
    this.#exports.install(ACTIVATOR_IPID, ACTIVATOR, this.#activator(remUnknown))
    this.#rpc = new RpcServer(access, {
      env: this.#env,
      limits: this.#limits.rpc,
      lookup: ({ uuid, major, minor }) => (major === 0 && minor === 0 ? this.#interface(uuid) : undefined),
    })
    void this.#rpc.closed.then(() => this.#exports.runDown())
  }

  /** Settles once: `undefined` when the pipe ended in order, else why it did not. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#rpc.closed
  }

  /** Closes the pipe: running calls see their signal fire, and what the caller held is disposed of. Idempotent. */
  close(reason?: BusbarError): void {
    this.#rpc.close(reason)
  }

  inspect(): ObjectServerView {
    return {
      caller: this.#caller,
      objects: this.#exports.size,
      streams: this.#exports.streams,
      ...this.#exports.counts,
      rpc: this.#rpc.inspect(),
    }
  }

  #interface(uuid: string): RpcInterface | undefined {
    const served = uuid === ACTIVATOR.uuid ? ACTIVATOR : uuid === REM_UNKNOWN.uuid ? REM_UNKNOWN : undefined
    const found: Interface | undefined = served ?? this.#classes.interface(uuid)
    if (found === undefined) return undefined
    return {
      // An interface of objects has no version of its own (MS-DCOM 3.1.1.5.4.2): another version has another identifier.
      id: { uuid, major: 0, minor: 0 },
      opnums: FIRST_OPNUM + found.procedures.length,
      dispatch: (call) => this.#serve(found, call),
    }
  }

  /** One call. What is thrown here crosses as a fault: the call did not reach a method. */
  #serve(through: Interface, call: IncomingCall): Awaitable<Uint8Array> {
    const exported = this.#exports.get(call.object)
    if (exported === undefined || exported.interface.uuid !== through.uuid) {
      throw new BusbarError('NO_SUCH_OBJECT', `no object ${call.object} with ${through.name} was given on this pipe`)
    }
    const operation = exported.interface.procedures[call.opnum - FIRST_OPNUM]
    const method = operation === undefined ? undefined : exported.methods[operation.name]
    if (operation === undefined || method === undefined) {
      throw new BusbarError('NOT_IN_CONTRACT', `${through.name} has no method ${call.opnum - FIRST_OPNUM}`)
    }
    const reader = new Reader(call.stub, call.little, this.#views)
    const deadline = readThis(reader)
    const args = operation.request.read(reader, this.#port)
    reader.done(operation.path)
    const context = new ServedCall(this.#caller, call, this.#env, deadline, operation.pull !== undefined)
    exported.running++
    let value: unknown
    try {
      value = method.call(exported.methods, args, context)
    } catch (thrown) {
      return this.#failure(exported, operation, context, thrown)
    }
    if (!isPromise(value)) return this.#answer(exported, operation, call, context, value)
    return value.then(
      (result) => this.#answer(exported, operation, call, context, result),
      (thrown: unknown) => this.#failure(exported, operation, context, thrown),
    )
  }

  #answer(
    exported: Exported,
    operation: Operation,
    call: IncomingCall,
    context: ServedCall,
    value: unknown,
  ): Uint8Array {
    const { reply, pull } = operation
    let result = value
    try {
      const page = pull?.procedures[0]?.reply
      if (page !== undefined) {
        result = new Producer(value, operation.path, page, context, this.#env, this.#limits)
      }
      const writer = beginAnswer(reply.measure(result) + 8, undefined, this.#slab)
      reply.write(writer, result, this.#port)
      writer.align(4)
      writer.u32(S_OK)
      if (reply.refs) {
        // Nobody will take what this answer gives: whatever it is must not wait for the pipe to close.
        if (call.cancelled) throw new BusbarError('CANCELLED', 'the caller is no longer waiting')
        this.#exports.commit()
      }
      if (pull === undefined) context.end()
      this.#exports.finished(exported)
      return writer.finish()
    } catch (thrown) {
      if (reply.refs) this.#letGo(operation, result)
      return this.#failure(exported, operation, context, thrown)
    }
  }

  /** Ends everything that an answer which will not be sent was to give. */
  #letGo({ result }: Operation, value: unknown): void {
    const given = this.#exports.rollback()
    if (value instanceof Producer) return value[Symbol.dispose]()
    for (const each of result === undefined ? [] : new Set(referencesIn(result, value))) {
      const methods = (each instanceof Activated ? each.methods : each) as Methods
      const owned = each instanceof Activated ? each.owned : !this.#classes.keeps(methods)
      if (owned && !given.has(methods)) this.#exports.discard(methods)
    }
  }

  #failure(exported: Exported, operation: Operation, context: ServedCall, thrown: unknown): Uint8Array {
    context.end()
    this.#exports.finished(exported)
    const error = crossing(thrown)
    const { reply } = operation
    const writer = beginAnswer(reply.measure(reply.zero) + 8, encodeError(error), this.#slab)
    reply.write(writer, reply.zero, this.#port)
    writer.align(4)
    writer.u32(hresultOf(error.code))
    return writer.finish()
  }

  #give(contract: Contract, value: unknown): Uint8Array {
    if (value instanceof Producer) {
      return this.#exports.give(contract, value as unknown as Methods, { owned: true, stream: true })
    }
    if (value instanceof Activated) {
      return this.#exports.give(value.contract, value.methods, { owned: value.owned, stream: false })
    }
    const methods = methodsOf(contract, value, 'BAD_VALUE')
    return this.#exports.give(contract, methods, { owned: !this.#classes.keeps(methods), stream: false })
  }

  #activator(remUnknown: string): Methods {
    return {
      activate: async (args, context) => {
        const { classId, interfaceId } = args as Activation
        if (classId !== interfaceId) {
          throw new BusbarError('NO_SUCH_INTERFACE', `objects of class ${classId} have no interface ${interfaceId}`)
        }
        return { remUnknown, object: await this.#classes.activate(classId, context) }
      },
    }
  }
}

function refuseArgument(): never {
  throw new BusbarError('INTERNAL', 'a reference among the arguments')
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
