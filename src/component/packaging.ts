import type { Reader, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Contract, Marshaller, Packaging, RefPort } from '../rpc/index.ts'
import { decodeError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { failed } from './hresult.ts'
import type { Operation } from './interface.ts'
import { type CallFront, lastWord, readThat, THIS_BYTES } from './orpc.ts'

/** How the calls of one operation are packaged on one association: those that say nothing besides their arguments, and whose arguments hold no reference. */
export class ObjectPackaging implements Packaging {
  readonly #operation: Operation
  readonly #front: CallFront
  readonly #port: RefPort
  readonly #exchange: Exchange
  readonly failed: Packaging['failed']
  readonly gives: boolean

  constructor(operation: Operation, front: CallFront, port: RefPort, exchange: Exchange, failed: Packaging['failed']) {
    this.failed = failed
    this.gives = operation.reply.refs
    this.#operation = operation
    this.#front = front
    this.#port = port
    this.#exchange = exchange
  }

  measure(args: unknown): number {
    return THIS_BYTES + this.#operation.request.measure(args)
  }

  write(writer: Writer, args: unknown): void {
    this.#front.write(writer)
    this.#operation.request.write(writer, args, this.#port)
  }

  read(reader: Reader): unknown {
    return unpack(reader, this.#operation, this.#port, this.#exchange)
  }
}

/** The result in an answer, or the error. References in it are taken by `port`, all of them or none. */
export function unpack(reader: Reader, operation: Operation, port: RefPort, exchange: Exchange): unknown {
  const hresult = lastWord(reader)
  const error = readThat(reader)
  if (failed(hresult)) throw decodeError(error, hresult, operation.path)
  const { reply } = operation
  try {
    const value = reply.read(reader, port)
    reader.align(4)
    reader.skip(4)
    reader.done(operation.path)
    if (reply.refs) exchange.took()
    return value
  } catch (thrown) {
    const looked = exchange.untake()
    if (reply.refs) giveBackRest(reader.again(), reply, looked, exchange)
    throw thrown
  }
}

/** What is behind the references that were `looked` at in an answer that is not taken: the peer counts them as held here. */
function giveBackRest(answer: Reader, reply: Marshaller, looked: number, exchange: Exchange): void {
  let left = looked
  const take = (_: Contract, reference: Uint8Array): undefined =>
    left-- > 0 ? undefined : exchange.giveBack(reference)
  try {
    readThat(answer)
    reply.read(answer, { give: refuse, take })
  } catch {
    // No more of it can be read.
  }
}

function refuse(): never {
  throw new BusbarError('INTERNAL', 'a reference is given in an answer that is read')
}
