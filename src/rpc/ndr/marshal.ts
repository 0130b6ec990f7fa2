import type { Reader, Writer } from '../../bytes/index.ts'
import type { Contract } from '../contract/contract.ts'
import type { FieldNode, TypeNode } from '../contract/type.ts'
import { parameterCodec } from './build.ts'
import { badValue, type Codec, type RefPort } from './codec.ts'
import { referenceCodec } from './reference.ts'
import { isRecord } from './struct.ts'

/**
 * Writes and reads all parameters of one direction of a method. This is the seam for other ways of making marshallers:
 * everything outside this folder sees only this interface.
 */
export interface Marshaller {
  /** Whether references may travel: then the port has to undo what a failed message gave or took. */
  readonly refs: boolean
  /** What a failed call answers in place of its result. */
  readonly zero: unknown
  /** At least the `bytes` that the parameters take; any number when the value does not fit. */
  measure(value: unknown): number
  /** `BAD_VALUE` when the value does not fit the contract; what was written is then to be thrown away. */
  write(writer: Writer, value: unknown, port: RefPort): void
  /** `MALFORMED` when the bytes break the contract. What follows the parameters stays unread. */
  read(reader: Reader, port: RefPort): unknown
}

const NOTHING: Marshaller = {
  refs: false,
  zero: undefined,
  measure: () => 0,
  write() {},
  read: () => undefined,
}

/** Marshals a method's arguments: an object with one member per parameter, in the order of declaration. */
export function marshalArguments(fields: readonly FieldNode[], path: string): Marshaller {
  const parameters = fields.map(({ name, type }) => ({ name, codec: parameterCodec(type, `${path}: ${name}`) }))
  if (parameters.length === 0) return { ...NOTHING, read: () => ({}) }
  const names = fields.map(({ name }) => name).join(', ')
  return {
    refs: parameters.some(({ codec }) => codec.refs),
    zero: undefined,
    measure(value) {
      let total = 0
      if (isRecord(value)) for (const { name, codec } of parameters) total += codec.measure(value[name])
      return total
    },
    write(writer, value, port) {
      if (!isRecord(value)) throw badValue(path, `an object with ${names}`, value)
      for (const { name, codec } of parameters) writeWhole(codec, writer, value[name], port)
    },
    read(reader, port) {
      const args: Record<string, unknown> = {}
      for (const { name, codec } of parameters) args[name] = readWhole(codec, reader, port)
      return args
    },
  }
}

/** Marshals a method's result. A stream travels as a reference to `pull`, the contract of the object behind it. */
export function marshalResult(node: TypeNode, path: string, pull: Contract | undefined): Marshaller {
  if (node.kind === 'void') return NOTHING
  const codec = pull === undefined ? parameterCodec(node, `${path}: result`) : referenceCodec(() => pull, path)
  return {
    refs: codec.refs,
    zero: codec.zero,
    measure: codec.measure,
    write: (writer, value, port) => writeWhole(codec, writer, value, port),
    read: (reader, port) => readWhole(codec, reader, port),
  }
}

function writeWhole(codec: Codec, writer: Writer, value: unknown, port: RefPort): void {
  codec.write(writer, value, port)
  codec.writeLater?.(writer, value, port)
}

function readWhole(codec: Codec, reader: Reader, port: RefPort): unknown {
  const begun = codec.read(reader, port)
  return codec.readLater === undefined ? begun : codec.readLater(reader, begun, port)
}
