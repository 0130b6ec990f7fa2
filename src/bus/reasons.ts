import { BusbarError, codeFromNumber, escapePeerText } from '../errors/index.ts'

/** The error for a reason that came over the control stream. */
export function reasonFrom(code: number, text: string): BusbarError {
  return new BusbarError(codeFromNumber(code) ?? 'RESET', escapePeerText(text))
}

/**
 * What the peer is told in words. The message of a foreign error (a program's, the system's) may name files and addresses
 * of this side, so it stays here; the words that Busbar found itself go out.
 */
export function textFor({ message, cause }: BusbarError): string {
  const foreign = cause !== undefined && !(cause instanceof BusbarError)
  return foreign && message === BusbarError.from(cause).message
    ? 'the other end failed with an error of its own'
    : message
}

/** Why an opening is taken back: whoever asked died, or changed its mind. */
export function leftWhileOpening(what: string, cause: unknown): BusbarError {
  const died = cause instanceof BusbarError && cause.code === 'PEER_DIED'
  return new BusbarError(died ? 'PEER_DIED' : 'CANCELLED', died ? cause.message : what, { stage: 'open', cause })
}
