import { badValue, disagrees } from './codec.ts'
import type { WriteCompiler } from './compile-write.ts'
import { defers, labelOf } from './plain.ts'
import { oneOf } from './union.ts'
import type { WireType, WireUnion } from './wire.ts'

/** A union: the discriminant, then the arm without what it points to. */
export function writeUnion(write: WriteCompiler, type: WireUnion, v: string, path: string, owner: string): void {
  const { text } = write
  const labelAt = labelOf(type)
  text.refuse(`typeof ${v} !== 'object' || ${v} === null`, path, `an object with "${labelAt}"`, v)
  const { agree } = type.switchIs === undefined ? {} : text.codecs.of(type, path)
  if (agree !== undefined) text.out.line(`${text.k(agree)}(${v}, ${owner}, ${text.k(disagrees)})`)
  write.inline(type.tag, write.member(v, labelAt), path, 'undefined')
  eachArm(write, type, v, path, (arm, of, at) => write.inline(arm, of, at, owner))
}

/** What the arm points to. */
export function deferUnion(write: WriteCompiler, type: WireUnion, v: string, path: string, owner: string): void {
  eachArm(write, type, v, path, (arm, of, at) => {
    if (defers(arm)) write.later(arm, of, at, owner)
  })
}

/** Writes what is to be done for each arm with something in it. */
function eachArm(
  write: WriteCompiler,
  type: WireUnion,
  v: string,
  path: string,
  each: (arm: WireType, v: string, path: string) => void,
): void {
  const { text } = write
  const { arms, fallback, as } = type
  const label = write.member(v, labelOf(type))
  const back = text.layout.fork()
  const way = (head: string, arm: WireType | null, at: string): void =>
    text.way(
      head,
      () => {
        if (arm !== null) each(arm, as.form === 'flat' ? v : write.member(v, 'value'), `${path}.${at}`)
      },
      back,
    )
  text.out.line(`switch (${label}) {`)
  for (const arm of arms) way(`case ${text.k(arm.label)}:`, arm.type, `${arm.label}`)
  if (fallback !== undefined) way('default:', fallback, 'default')
  else {
    const expected = text.k(oneOf(labelOf(type), arms))
    text.out.line(`default: throw ${text.k(badValue)}(${text.k(path)}, ${expected}, ${label})`)
  }
  text.out.line('}')
  text.layout.forget()
}
