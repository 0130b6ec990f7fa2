import { malformed } from './codec.ts'
import type { ReadCompiler } from './compile-read.ts'
import { finishes, labelOf } from './plain.ts'
import { noSuchCase } from './union.ts'
import type { WireType, WireUnion } from './wire.ts'

/** A union without what its arm points to: the object that is the value in the end. */
export function beginUnion(read: ReadCompiler, type: WireUnion, path: string, owner: string): string {
  const { text } = read
  const label = read.begin(type.tag, path, 'undefined')
  const property = text.out.property(labelOf(type))
  const { agree } = type.switchIs === undefined ? {} : text.codecs.of(type, path)
  if (agree !== undefined) {
    text.out.line(`${text.k(agree)}({ ${property}: ${label} }, ${owner}, ${text.k(malformed)})`)
  }
  const value = text.out.variable()
  text.out.line(`let ${value}`)
  const tag = `${property}: ${label}`
  eachArm(read, type, label, path, (arm, at) => {
    text.out.line(`${value} = ${armOf(arm, at)}`)
  })
  return value

  function armOf(arm: WireType | null, at: string): string {
    if (type.as.form === 'case') return `{ ${tag}, value: ${arm === null ? 'undefined' : read.begin(arm, at, owner)} }`
    return arm?.kind === 'struct' ? read.object(arm, at, undefined, tag) : `{ ${tag} }`
  }
}

/** What the arm points to. */
export function finishUnion(read: ReadCompiler, type: WireUnion, begun: string, path: string, owner: string): string {
  if (!finishes(type)) return begun
  const { text } = read
  const value = text.keep(begun)
  const label = text.keep(`${value}[${text.out.property(labelOf(type))}]`)
  eachArm(read, type, label, path, (arm, at) => {
    if (arm === null || !finishes(arm)) return
    if (type.as.form === 'flat') read.finish(arm, value, at, owner)
    else text.out.line(`${value}.value = ${read.finish(arm, `${value}.value`, at, owner)}`)
  })
  return value
}

/** Writes what is to be done for each arm. */
function eachArm(
  { text }: ReadCompiler,
  { arms, fallback }: WireUnion,
  label: string,
  path: string,
  each: (arm: WireType | null, path: string) => void,
): void {
  const { out, layout } = text
  const back = layout.fork()
  const way = (head: string, arm: WireType | null, at: string): void => {
    out.line(`${head} {`)
    each(arm, `${path}.${at}`)
    back()
    out.line('break }')
  }
  out.line(`switch (${label}) {`)
  for (const arm of arms) way(`case ${text.k(arm.label)}:`, arm.type, `${arm.label}`)
  if (fallback === undefined) out.line(`default: throw ${text.k(noSuchCase)}(${text.k(path)}, ${label})`)
  else way('default:', fallback, 'default')
  out.line('}')
  layout.forget()
}
