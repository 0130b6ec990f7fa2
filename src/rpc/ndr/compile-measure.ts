import type { Codecs } from './build.ts'
import type { Emitter } from './emitter.ts'
import { countedItem, isPlain } from './plain.ts'
import { alignOf, type WireType } from './wire.ts'

/** Writes the part of a program that reckons how many bytes values take at most: it adds to `n`. */
export class MeasureCompiler {
  readonly #out: Emitter
  readonly #codecs: Codecs

  constructor(out: Emitter, codecs: Codecs) {
    this.#out = out
    this.#codecs = codecs
  }

  /** Adds what a value takes, and gives what every value takes: that the caller adds once. */
  value(type: WireType, v: string, path: string): number {
    if (!isPlain(type)) {
      this.#out.line(`n += ${this.#out.constant(this.#codecs.of(type, path))}.measure(${v})`)
      return 0
    }
    switch (type.kind) {
      case 'base':
      case 'enum':
        return 2 * type.size - 1
      case 'guid':
        return 19
      case 'array':
        this.#out.line(`if (typeof ${v} === 'string') n += ${v}.length * 2`)
        return 20
      case 'pointer':
        return 8 + this.#guarded(`${v} !== undefined`, () => this.value(type.to, v, path))
      case 'struct':
        break
      default:
        return 0
    }
    if (type.as === 'object') {
      const body = (): number => {
        let sum = alignOf(type) - 1
        for (const member of type.members) {
          const of = this.#out.variable()
          this.#out.line(`const ${of} = ${v}[${this.#out.property(member.name)}]`)
          sum += this.value(member.type, of, `${path}.${member.name}`)
        }
        return sum
      }
      return this.#guarded(`typeof ${v} === 'object' && ${v} !== null`, body)
    }
    const { item, bytes } = countedItem(type)
    if (bytes) this.#out.line(`if (${v} instanceof Uint8Array) n += ${v}.length`)
    else {
      const one = this.#out.variable()
      this.#out.line(`if (Array.isArray(${v})) for (const ${one} of ${v}) {`)
      this.#add(this.value(item, one, `${path}[]`))
      this.#out.line('}')
    }
    return 19
  }

  #guarded(condition: string, body: () => number): number {
    this.#out.line(`if (${condition}) {`)
    this.#add(body())
    this.#out.line('}')
    return 0
  }

  #add(bytes: number): void {
    if (bytes !== 0) this.#out.line(`n += ${bytes}`)
  }
}
