import { BusbarError } from '../../errors/index.ts'
import { Codecs } from './build.ts'
import { badValue, type RefPort } from './codec.ts'
import { MeasureCompiler } from './compile-measure.ts'
import { ReadCompiler } from './compile-read.ts'
import { WriteCompiler } from './compile-write.ts'
import { Emitter } from './emitter.ts'
import type { Reader, Writer } from '../../bytes/index.ts'
import type { WireMember, WireType } from './wire.ts'

/** The three functions of a marshaller. */
export interface Program {
  readonly measure: (value: unknown) => number
  readonly write: (writer: Writer, value: unknown, port: RefPort) => void
  readonly read: (reader: Reader, port: RefPort) => unknown
}

/** Whether source text may become a function here: a content security policy, or a flag of Node, forbids it. */
const ALLOWED: boolean = build('return true', []) === true

/** What is marshalled: parameters in an object, or one value. */
export type Plan =
  | { readonly members: readonly WireMember[]; readonly pathOf: (name: string) => string; readonly path: string }
  | { readonly type: WireType; readonly path: string }

/**
 * Compiles a marshaller; `undefined` where that is forbidden, or not worth it for its size. It does the same as the codecs
 * of build.ts, which it is compared with in compile.test.ts.
 */
export function compile(plan: Plan): Program | undefined {
  if (!ALLOWED) return undefined
  const out = new Emitter()
  try {
    emit(out, plan)
  } catch (thrown) {
    if (thrown instanceof BusbarError && thrown.code === 'LIMIT') return undefined
    throw thrown
  }
  return build(out.text, out.constants) as Program
}

function emit(out: Emitter, plan: Plan): void {
  const codecs = new Codecs()
  const value = out.variable()
  const declared = out.later()
  out.line('return {')

  out.line(`measure(${value}) { let n = 0`)
  const measure = new MeasureCompiler(out, codecs)
  if ('type' in plan) out.line(`n += ${measure.value(plan.type, value, plan.path)}`)
  else {
    out.line(`if (typeof ${value} !== 'object' || ${value} === null) return 0`)
    for (const { name, type } of plan.members) {
      const of = out.variable()
      out.line(`const ${of} = ${value}[${out.property(name)}]`)
      out.line(`n += ${measure.value(type, of, plan.pathOf(name))}`)
    }
  }
  out.line('return n },')

  out.line(`write(w, ${value}, port) { const le = w.little; let d = w.view`)
  const write = new WriteCompiler(out, codecs)
  if ('type' in plan) write.parameter(plan.type, value, plan.path, 'undefined')
  else {
    const expected = out.constant(`an object with ${plan.members.map(({ name }) => name).join(', ')}`)
    const thrown = `${out.constant(badValue)}(${out.constant(plan.path)}, ${expected}, ${value})`
    out.line(`if (typeof ${value} !== 'object' || ${value} === null) throw ${thrown}`)
    for (const { name, type } of plan.members)
      write.parameter(type, write.member(value, name), plan.pathOf(name), value)
  }
  write.end()
  out.line('},')

  out.line('read(r, port) { const le = r.little, d = r.view')
  const read = new ReadCompiler(out, codecs)
  out.line(
    `return ${'type' in plan ? read.parameter(plan.type, plan.path, 'undefined') : read.parameters(plan.members, plan.pathOf)}`,
  )
  out.line('} }')
  out.fill(declared, `const [${out.constants.map((_, i) => `k${i}`).join(', ')}] = k`)
}

/** The one place where text becomes code. The text is ours alone: see `Emitter`. */
function build(text: string, constants: readonly unknown[]): unknown {
  try {
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- compiling contracts is what this file is for
    return new Function('k', `'use strict'\n${text}`)(constants)
  } catch (thrown) {
    if (thrown instanceof EvalError) return undefined
    throw thrown
  }
}
