import { MIN_FRAGMENT } from '../limits.ts'

/**
 * The fragment size of an association, both directions alike: the smaller of what the client says it sends and takes, at
 * least 2048, at most `own`, cut to a multiple of 8 (what Windows Server 2012 R2 and Samba do).
 */
export function fragmentSize(clientTransmit: number, clientReceive: number, own: number): number {
  const asked = Math.max(MIN_FRAGMENT, Math.min(clientTransmit, clientReceive))
  return Math.min(asked, own) & ~7
}
