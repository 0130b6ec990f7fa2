import type { Reader } from '../../bytes/index.ts'
import type { BusbarError } from '../../errors/index.ts'
import { badValue, type Codec, disagrees, type Failure, isRecord, malformed, type Owner } from './codec.ts'
import type { WireUnion } from './wire.ts'

/** An arm with the codec of what is in it; `undefined` when nothing is. */
export interface Arm {
  readonly label: number | string
  readonly codec: Codec | undefined
}

/** What the discriminant of a value should have been: completes "expected ...". */
export function oneOf(labelAt: string, arms: readonly { readonly label: number | string }[]): string {
  return `"${labelAt}" to be one of: ${arms.map(({ label }) => label).join(', ')}`
}

/** The error for a discriminant without an arm. */
export function noSuchCase(path: string, label: unknown): BusbarError {
  return malformed(path, `discriminant ${String(label)} of a union without such a case`)
}

/** What was read of a union before what its arm points to. */
interface Begun {
  readonly arm: Arm
  readonly label: unknown
  readonly value: unknown
}

/**
 * A union: the discriminant, then the arm aligned by itself (C706, 14.3.8). A sibling that repeats the discriminant
 * (`switch_is`) has to say the same.
 */
export function unionCodec(
  { switchIs, as }: WireUnion,
  tag: Codec,
  arms: readonly Arm[],
  fallback: Arm | undefined,
  path: string,
): Codec {
  const byLabel: ReadonlyMap<unknown, Arm> = new Map(arms.map((arm) => [arm.label, arm]))
  const every = fallback === undefined ? arms : [...arms, fallback]
  const flat = as.form === 'flat' ? as.tag : undefined
  const labelAt = flat ?? 'case'
  const later = every.some(({ codec }) => codec?.writeLater !== undefined || codec?.readLater !== undefined)
  const first = every[0]

  const armOf = (label: unknown): Arm => byLabel.get(label) ?? fallback ?? unknown(label)
  const unknown = (label: unknown): never => {
    throw badValue(path, oneOf(labelAt, arms), label)
  }
  const contents = (value: Record<string, unknown>): unknown => (flat === undefined ? value['value'] : value)

  function agree(value: unknown, owner: Owner, fail: Failure): void {
    if (switchIs === undefined || owner === undefined || !isRecord(value)) return
    const repeated = owner[switchIs]
    if (typeof repeated !== 'number' && typeof repeated !== 'string') return
    if (repeated !== value[labelAt]) throw fail(path, `not the case that "${switchIs}" says`)
  }

  function finish(label: unknown, value: unknown): unknown {
    if (flat === undefined) return { case: label, value }
    return value === undefined ? { [flat]: label } : { [flat]: label, ...(value as object) }
  }

  return {
    least: tag.least,
    zero: Object.freeze(finish(first?.label ?? tag.zero, first?.codec?.zero)),
    refs: every.some(({ codec }) => codec?.refs === true),
    measure(value) {
      if (!isRecord(value)) return 0
      const arm = byLabel.get(value[labelAt]) ?? fallback
      return tag.measure(value[labelAt]) + (arm?.codec?.measure(contents(value)) ?? 0)
    },
    write(writer, value, port, owner) {
      if (!isRecord(value)) throw badValue(path, `an object with "${labelAt}"`, value)
      const label = value[labelAt]
      const arm = armOf(label)
      agree(value, owner, disagrees)
      tag.write(writer, label, port, undefined)
      arm.codec?.write(writer, contents(value), port, owner)
    },
    writeLater: later
      ? (writer, value, port, owner) => {
          const record = value as Record<string, unknown>
          armOf(record[labelAt]).codec?.writeLater?.(writer, contents(record), port, owner)
        }
      : undefined,
    read(reader, port, owner) {
      const label = tag.read(reader, port, undefined)
      const arm = byLabel.get(label) ?? fallback
      if (arm === undefined) throw noSuchCase(path, label)
      if (switchIs !== undefined) agree({ [labelAt]: label }, owner, malformed)
      const value = arm.codec?.read(reader, port, owner)
      return later ? { arm, label, value } : finish(label, value)
    },
    readLater: later
      ? (reader: Reader, begun, port, owner) => {
          const { arm, label, value } = begun as Begun
          const { codec } = arm
          return finish(label, codec?.readLater === undefined ? value : codec.readLater(reader, value, port, owner))
        }
      : undefined,
    agree: switchIs === undefined ? undefined : agree,
    settle:
      switchIs === undefined
        ? undefined
        : (owner, zero) => {
            owner[switchIs] = (zero as Record<string, unknown>)[labelAt]
          },
  }
}
