import { MAX_FIXED } from './limits.ts'
import { checkName, refuse } from './names.ts'
import type { ArrayShape, Count } from './type.ts'

/**
 * The counts of an array, with the names of its IDL. A count that a sibling holds is written as the sibling's name, or as
 * `'name / 2'` and the like, and must agree with it; a constant as a text, `'1000'`; `true` where nothing says it.
 *
 * | shape | IDL | in front of the items |
 * | --- | --- | --- |
 * | `{ fixed: 5 }` | `T a[5]` | nothing |
 * | `{ fixed: 5, length: 'n' }` | `[length_is(n)] T a[5]` (varying) | offset, actual count |
 * | `{ size: 'n' }` | `[size_is(n)] T a[]` (conformant) | maximum count |
 * | `{ size: 'max', length: 'n' }` | `[size_is(max), length_is(n)] T a[]` (conformant varying) | all three |
 */
export type Shape =
  | { readonly fixed: number; readonly length?: string | true }
  | { readonly size: string | true; readonly length?: string | true }

/** A name, and what may be done with it: `count`, `size / 2`. */
const COUNT = /^([A-Za-z_]\w*)(?:\s*([+\-*/])\s*(\d{1,9}))?$/

/** Checks a shape; `INVALID_ARGUMENT` says what cannot be. */
export function arrayShape(shape: Shape, where: string): ArrayShape {
  const given: unknown = shape
  if (typeof given !== 'object' || given === null) refuse(`${where}: expected a shape like { size: 'count' }`)
  const lengthIs = shape.length === undefined ? {} : named('lengthIs', count(shape.length, where))
  if ('fixed' in shape) {
    const { fixed, length } = shape
    if (!(Number.isInteger(fixed) && fixed >= 1 && fixed <= MAX_FIXED)) {
      refuse(`${where}: a fixed length is an integer from 1 to ${MAX_FIXED}, not ${fixed}`)
    }
    if (length === undefined) return Object.freeze({ form: 'fixed', length: fixed })
    return Object.freeze({ form: 'varying', most: fixed, ...lengthIs })
  }
  const sizeIs = named('sizeIs', count(shape.size, where))
  if (shape.length === undefined) return Object.freeze({ form: 'conformant', ...sizeIs })
  return Object.freeze({ form: 'conformant-varying', ...sizeIs, ...lengthIs })
}

/** What `[string]` makes of a shape: the actual count always travels, since the NUL decides it (C706, 14.3.4). */
export function terminatedShape(shape: ArrayShape): ArrayShape {
  switch (shape.form) {
    case 'fixed':
      return Object.freeze({ form: 'varying', most: shape.length })
    case 'conformant':
      return Object.freeze({ ...shape, form: 'conformant-varying' })
    default:
      return shape
  }
}

function named<K extends string>(key: K, value: Count | undefined): { readonly [P in K]?: Count } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: Count }
}

function count(text: string | true, where: string): Count | undefined {
  if (text === true) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const match = COUNT.exec(text)
  if (match === null) refuse(`${where}: ${JSON.stringify(text)} is not a name, a number, or both as in "size / 2"`)
  const [, name = '', operator, operand] = match
  checkName(name, where)
  if (operator === undefined) return Object.freeze({ name })
  if (operator === '/' && Number(operand) === 0) refuse(`${where}: ${JSON.stringify(text)} divides by zero`)
  return Object.freeze({ name, operator: operator as '+' | '-' | '*' | '/', operand: Number(operand) })
}
