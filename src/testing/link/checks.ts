import type { ByteLink, MessageLink } from '../../link/index.ts'
import * as close from './close.ts'
import * as delivery from './delivery.ts'
import * as ending from './ending.ts'
import * as messages from './messages.ts'
import * as pressure from './pressure.ts'
import { type LinkPair, type LinkTraits, Probe } from './probe.ts'

/** One sentence of the contract and how it is tried. Each gets a pair of its own and tries it in both directions. */
export interface LinkCheck<Link extends ByteLink = ByteLink> {
  readonly name: string
  readonly run: (probe: Probe<Link>) => Promise<void>
}

/** What byte links and message links have in common. */
export const COMMON_CHECKS: readonly LinkCheck[] = [
  { name: 'delivers everything in order, in both directions at once', run: delivery.deliversInOrder },
  { name: 'delivers megabytes beside small chunks', run: delivery.deliversBulk },
  { name: 'gives a read that came first the bytes written later', run: delivery.readsBeforeWrite },
  { name: 'holds nothing back', run: delivery.doesNotHoldBack },
  { name: 'delivers single bytes', run: delivery.deliversSingleBytes },
  { name: 'refuses a second pending read and keeps the first', run: delivery.refusesSecondRead },
  { name: 'ends one direction and leaves the other alone', run: ending.endsOneDirection },
  { name: 'closes in order after both ends', run: ending.closesAfterBothEnds },
  { name: 'stays ended', run: ending.staysEnded },
  { name: 'ends a pending read', run: ending.endsPendingRead },
  { name: 'refuses writing after the end', run: ending.refusesWriteAfterEnd },
  { name: 'ends after everything that was written', run: ending.endsAfterBulk },
  { name: 'keeps unread bytes when both directions have ended', run: ending.keepsUnreadAfterEnds },
  { name: 'makes the writer wait for the reader, within a bound', run: pressure.waitsForReader },
  { name: 'lets a full direction stop nothing else', run: pressure.fullDirectionStopsNothingElse },
  { name: 'loses nothing of a writer that does not wait', run: pressure.takesImpatientWriter },
  { name: 'rejects everything with the reason after close', run: close.rejectsAfterClose },
  { name: 'closes with CLOSED when no reason is given', run: close.closesWithoutReason },
  { name: 'rejects a waiting write on close', run: close.rejectsBlockedWrite },
  { name: 'drops unread bytes on close', run: close.dropsUnread },
  { name: 'lets the peer notice a close', run: close.peerNotices },
  { name: 'lets a blocked peer notice a close', run: close.blockedPeerNotices },
  { name: 'keeps the first reason', run: close.firstReasonWins },
  { name: 'does nothing when closed after both ends', run: close.closeAfterEndDoesNothing },
  { name: 'survives both sides closing at once', run: close.bothClose },
  { name: 'closes a half-closed link', run: close.closesHalfClosed },
  { name: 'survives a caller that ignores what write gave', run: close.ignoredWritesAreHarmless },
]

/** What only byte links do. */
export const BYTE_CHECKS: readonly LinkCheck[] = [{ name: 'ignores empty chunks', run: delivery.ignoresEmptyChunks }]

/** What only message links do. */
export const MESSAGE_CHECKS: readonly LinkCheck<MessageLink>[] = [
  { name: 'keeps message boundaries', run: messages.keepsBoundaries },
  { name: 'keeps the boundaries of a burst', run: messages.keepsBoundariesOfBurst },
  { name: 'refuses messages that are too long or empty', run: messages.refusesBadSizes },
]

/** Runs one check on a fresh pair, then on another with the sides exchanged. */
export async function runCheck<Link extends ByteLink>(
  check: LinkCheck<Link>,
  makePair: () => Promise<LinkPair<Link>>,
  traits: LinkTraits = {},
): Promise<void> {
  for (const swapped of [false, true]) {
    const pair = await makePair()
    const { a, b } = pair
    try {
      await check.run(swapped ? new Probe(b, a, traits) : new Probe(a, b, traits))
    } finally {
      a.close()
      b.close()
      await pair.dispose()
    }
  }
}
