import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BusbarError } from '../errors/index.ts'
import type { Contract } from '../rpc/index.ts'

/** The contracts that a module exports, in the order of their names. */
export async function loadContracts(file: string): Promise<Contract[]> {
  return Object.values(await load(file)).filter(isContract)
}

async function load(file: string): Promise<object> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as object
  } catch (cause) {
    const unread = (cause as { readonly code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION'
    throw new BusbarError('INVALID_ARGUMENT', `${file} cannot be loaded`, {
      stage: 'contract',
      cause,
      hints: unread && /\.[mc]?ts$/.test(file) ? typescriptHints() : [],
    })
  }
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
