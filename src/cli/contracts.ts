import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BusbarError } from '../errors/index.ts'
import { type Contract, contractsFrom } from '../rpc/index.ts'

/** The contracts that a module exports, in the order of their names, or that a description in a `.json` file is of. */
export async function loadContracts(file: string): Promise<Contract[]> {
  return file.endsWith('.json') ? loadDescription(file) : Object.values(await load(file)).filter(isContract)
}

async function loadDescription(file: string): Promise<Contract[]> {
  const source = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unloaded(file, cause)
  })
  try {
    return contractsFrom(JSON.parse(source))
  } catch (cause) {
    throw unloaded(file, cause, [`descriptions are what \`busbar idl FILE --description\` prints`])
  }
}

async function load(file: string): Promise<object> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as object
  } catch (cause) {
    const unread = (cause as { readonly code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION'
    throw unloaded(file, cause, unread && /\.[mc]?ts$/.test(file) ? typescriptHints() : [])
  }
}

function unloaded(file: string, cause: unknown, hints: readonly string[] = []): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', `${file} cannot be loaded`, { stage: 'contract', cause, hints })
}

/** What helps where Node does not read TypeScript by itself. */
function typescriptHints(): string[] {
  return [
    `this is Node ${process.versions.node}; Node 22.18 and later read TypeScript by themselves`,
    'with an older one: npm install --save-dev tsx, and NODE_OPTIONS="--import tsx" in front of the command',
    'or name the JavaScript that it was compiled to',
  ]
}

function isContract(value: unknown): value is Contract {
  return typeof value === 'object' && value !== null && 'procedures' in value && 'uuid' in value
}
