import { describe, test } from 'node:test'
import type { ByteLink, MessageLink } from '../link/index.ts'
import { BYTE_CHECKS, COMMON_CHECKS, type LinkCheck, MESSAGE_CHECKS, runCheck } from './link/checks.ts'
import type { LinkPair, LinkTraits } from './link/probe.ts'

/** A check that hangs fails after this many `ms`: far above what any medium needs, no check waits for time itself (our choice). */
const CHECK_TIMEOUT = 60_000

function register<Link extends ByteLink>(
  checks: readonly LinkCheck<Link>[],
  makePair: () => Promise<LinkPair<Link>>,
  traits: LinkTraits | undefined,
): void {
  for (const check of checks) {
    void test(check.name, { timeout: CHECK_TIMEOUT }, () => runCheck(check, makePair, traits))
  }
}

/** Registers the compliance suite of the byte link contract: every medium, mux stream and channel passes the same one. */
export function linkSuite(name: string, makePair: () => Promise<LinkPair>, traits?: LinkTraits): void {
  void describe(`${name}: byte link contract`, () => {
    register(COMMON_CHECKS, makePair, traits)
    register(BYTE_CHECKS, makePair, traits)
  })
}

/** The same for links that keep message boundaries. `traits.maxChunk` must not exceed `maxMessage`. */
export function messageSuite(name: string, makePair: () => Promise<LinkPair<MessageLink>>, traits?: LinkTraits): void {
  void describe(`${name}: message link contract`, () => {
    register<MessageLink>(COMMON_CHECKS, makePair, traits)
    register(MESSAGE_CHECKS, makePair, traits)
  })
}
