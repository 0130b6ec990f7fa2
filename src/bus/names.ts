import { BusbarError, escapePeerText } from '../errors/index.ts'

/** Partition names: what also fits a host name label (RFC 1123), so that nothing needs quoting anywhere. */
const PARTITION = /^[a-z][a-z0-9-]{0,62}$/
/** Service names: contract names (`files.FileStore`) and plain words (`postgres`). */
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** Contracts: a name and a version (`files.FileStore@1.0`), or whatever else prints on one line. Empty for a plain stream. */
const CONTRACT = /^[\x20-\x7e]{0,1024}$/

/** Where a pipe leads: a partition and a service in it. */
export interface PipeName {
  readonly partition: string
  readonly service: string
}

export function isPartitionName(text: string): boolean {
  return PARTITION.test(text)
}

export function isServiceName(text: string): boolean {
  return SERVICE.test(text)
}

export function isContractText(text: string): boolean {
  return CONTRACT.test(text)
}

/** Parses `partition/service`, once; everything behind it compares the parts. `INVALID_ARGUMENT` says what is wrong. */
export function parsePipeName(text: string): PipeName {
  const slash = text.indexOf('/')
  const partition = text.slice(0, Math.max(slash, 0))
  const service = text.slice(slash + 1)
  if (slash < 0 || !isPartitionName(partition) || !isServiceName(service)) {
    throw new BusbarError('INVALID_ARGUMENT', `"${escapePeerText(text)}" is not the name of a pipe`, {
      stage: 'name',
      hints: ['write partition/service, for instance storage/postgres'],
    })
  }
  return { partition, service }
}
