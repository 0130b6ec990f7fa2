import { BusbarError } from '../../errors/index.ts'
import { MAX_NAME } from './limits.ts'

/** A name that C, IDL and TypeScript all accept. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Names that JavaScript gives a meaning of its own; `then` would make a proxy look like a promise. */
const TAKEN: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'then', 'toJSON'])

/** Checks the name of a method, field or enumeration value; `INVALID_ARGUMENT` says what is wrong and where. */
export function checkName(name: string, where: string): void {
  if (name.length > MAX_NAME) refuse(`${where}: a name of ${name.length} characters, at most ${MAX_NAME} are allowed`)
  if (!IDENTIFIER.test(name)) {
    refuse(`${where}: ${JSON.stringify(name)} is not a name (letters, digits and _, not starting with a digit)`)
  }
  if (TAKEN.has(name)) refuse(`${where}: "${name}" means something to JavaScript itself; choose another name`)
}

/** Checks a contract's name: identifiers joined by dots, as in `files.FileStore`. */
export function checkContractName(name: string): void {
  if (typeof name !== 'string' || name === '') refuse('a contract needs a name, like "files.FileStore"')
  if (name.length > MAX_NAME) refuse(`contract name of ${name.length} characters, at most ${MAX_NAME} are allowed`)
  for (const part of name.split('.')) {
    if (!IDENTIFIER.test(part))
      refuse(`contract ${JSON.stringify(name)}: write names joined by dots, like "files.FileStore"`)
  }
}

/** Throws `INVALID_ARGUMENT`: a contract or a type was declared wrongly. */
export function refuse(message: string): never {
  throw new BusbarError('INVALID_ARGUMENT', message, { stage: 'contract' })
}
