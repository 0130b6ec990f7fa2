import { BusbarError } from '../errors/index.ts'
import { signatureText, typeText } from '../idl/index.ts'
import { closestName } from '../policy/index.ts'
import type { Contract, Procedure, TypeNode } from '../rpc/index.ts'

/** One call of a command line: a method, and its arguments as they were written. */
export interface Step {
  readonly name: string
  readonly text: string
}

/** Whether a word is arguments, and not the name of a method: JSON, `@FILE` or `-`. */
export function isArguments(word: string): boolean {
  return !/^[A-Za-z_$][\w$]*$/.test(word)
}

/** `METHOD [ARGUMENTS]`, and again: each on the object that the one before gives. */
export function stepsOf(words: readonly string[]): Step[] {
  const steps: Step[] = []
  for (let at = 0; at < words.length; ) {
    const name = words[at++] ?? ''
    const next = words[at]
    const given = next !== undefined && isArguments(next)
    steps.push({ name, text: given ? next : '{}' })
    if (given) at++
  }
  return steps
}

/** What these steps call, found before anything is sent. `NOT_IN_CONTRACT` or `BAD_VALUE` says which step cannot be. */
export function proceduresOf(contract: Contract, names: readonly string[], target: string): Procedure[] {
  let object: Contract = contract
  return names.map((name, at) => {
    const procedure = procedureOf(object, name, target)
    if (at === names.length - 1) return procedure
    const given = objectOf(procedure.result)
    if (given === undefined) {
      const what = `"${name}" gives ${typeText(procedure.result)}, and no object to call "${names[at + 1]}" on`
      throw new BusbarError('BAD_VALUE', what, {
        stage: 'arguments',
        hints: [`${name} is ${signatureText(procedure)}`],
      })
    }
    object = given
    return procedure
  })
}

/** The contract of the object that a method with this result gives, if it gives one. */
export function objectOf(result: TypeNode): Contract | undefined {
  if (result.kind === 'optional') return objectOf(result.item)
  return result.kind === 'ref' ? result.contract() : undefined
}

function procedureOf({ name: contract, version, procedures }: Contract, name: string, target: string): Procedure {
  const found = procedures.find((known) => known.name === name)
  if (found !== undefined) return found
  const names = procedures.map((known) => known.name)
  const close = closestName(name, names)
  const hints = close === undefined ? [] : [`did you mean "${close}"?`]
  throw new BusbarError(
    'NOT_IN_CONTRACT',
    `${contract} ${version} has no method "${name}"; it has ${names.join(', ')}`,
    {
      stage: 'arguments',
      hints: [...hints, `\`busbar ls ${target}\` shows what they take`],
    },
  )
}
