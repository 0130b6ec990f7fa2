import { BusbarError, type ErrorCode } from '../../errors/index.ts'

/** The `code` of a Node system error (`ENOENT` ...), `undefined` for anything else. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** A link that broke below us: `LINK_LOST` with the system's own error as the cause. */
export function linkLost(thrown: unknown): BusbarError {
  if (thrown instanceof BusbarError) return thrown
  const code = systemCode(thrown)
  const found = code === undefined ? 'the socket failed' : `the socket failed with ${code}`
  return new BusbarError('LINK_LOST', found, { cause: thrown })
}

const CONNECT_CODES: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['ENOENT', ['NOT_READY', 'nothing has created that socket yet']],
  ['ECONNREFUSED', ['NOT_READY', 'the socket is stale: nobody listens on it']],
  ['EAGAIN', ['BUSY', 'the listener has too many connections waiting']],
  ['EACCES', ['DENIED', 'the permissions of the socket or of a directory above it do not allow it']],
  ['EPERM', ['DENIED', 'the permissions of the socket do not allow it']],
])

/** Why `connect` to `path` failed. */
export function connectFailed(path: string, thrown: unknown): BusbarError {
  if (thrown instanceof BusbarError) return thrown
  const system = systemCode(thrown) ?? 'an error'
  const [code, found] = CONNECT_CODES.get(system) ?? (['LINK_LOST', 'connecting failed'] as const)
  return new BusbarError(code, `connecting to ${path}: ${found} (${system})`, { cause: thrown, stage: 'connect' })
}
