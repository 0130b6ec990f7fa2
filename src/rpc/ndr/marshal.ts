import type { Reader, Writer } from '../../bytes/index.ts'
import { parameterCodec } from './build.ts'
import { badValue, type Codec, isRecord, type RefPort } from './codec.ts'
import { compile } from './compile.ts'
import { lateChecks, type Member, zeroOf } from './struct.ts'
import type { WireMember, WireOperation } from './wire.ts'

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

/** `compiled` where that is allowed; `interpreted` for those that compare the two. */
export type Making = 'compiled' | 'interpreted'

/** Marshals a method's arguments: an object with one member per parameter, in the order of declaration. */
export function marshalArguments({ request }: WireOperation, path: string, making: Making = 'compiled'): Marshaller {
  return parameters(request, path, making)
}

/** Marshals a method's result: one value, or, when `several`, an object with one member per `[out]` parameter. */
export function marshalResult(
  { reply, returns }: WireOperation,
  several: boolean,
  path: string,
  making: Making = 'compiled',
): Marshaller {
  if (several)
    return parameters(returns === undefined ? reply : [...reply, { name: 'result', type: returns }], path, making)
  const [result] = reply
  if (result === undefined) return NOTHING
  const { type } = result
  const codec = parameterCodec(type, `${path}: result`)
  const { refs, zero } = codec
  const program = making === 'compiled' ? compile({ type, path: `${path}: result` }) : undefined
  if (program !== undefined) return { refs, zero, ...program }
  return {
    refs,
    zero,
    measure: codec.measure,
    write: (writer, value, port) => writeWhole(codec, writer, value, port, undefined),
    read: (reader, port) => readWhole(codec, reader, port, undefined),
  }
}

function parameters(fields: readonly WireMember[], path: string, making: Making): Marshaller {
  const pathOf = (name: string): string => `${path}: ${name}`
  const members = fields.map(({ name, type }): Member => ({ name, codec: parameterCodec(type, pathOf(name)) }))
  if (members.length === 0) return { ...NOTHING, zero: Object.freeze({}), read: () => ({}) }
  const refs = members.some(({ codec }) => codec.refs)
  const zero = zeroOf(members)
  const program = making === 'compiled' ? compile({ members: fields, pathOf, path }) : undefined
  if (program !== undefined) return { refs, zero, ...program }
  const names = fields.map(({ name }) => name).join(', ')
  const check = lateChecks(members)
  return {
    refs,
    zero,
    measure(value) {
      let total = 0
      if (isRecord(value)) for (const { name, codec } of members) total += codec.measure(value[name])
      return total
    },
    write(writer, value, port) {
      if (!isRecord(value)) throw badValue(path, `an object with ${names}`, value)
      for (const { name, codec } of members) writeWhole(codec, writer, value[name], port, value)
    },
    read(reader, port) {
      const record: Record<string, unknown> = {}
      for (const { name, codec } of members) record[name] = readWhole(codec, reader, port, record)
      check?.(record)
      return record
    },
  }
}

type Whole = Record<string, unknown> | undefined

function writeWhole(codec: Codec, writer: Writer, value: unknown, port: RefPort, owner: Whole): void {
  codec.write(writer, value, port, owner)
  codec.writeLater?.(writer, value, port, owner)
}

function readWhole(codec: Codec, reader: Reader, port: RefPort, owner: Whole): unknown {
  const begun = codec.read(reader, port, owner)
  return codec.readLater === undefined ? begun : codec.readLater(reader, begun, port, owner)
}
