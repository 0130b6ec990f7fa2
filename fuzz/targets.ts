import { association } from './association.ts'
import { descriptions } from './descriptions.ts'
import { marshalling } from './marshalling.ts'
import { pduStreams } from './pdu-streams.ts'
import { makeCorpus } from './pdus.ts'
import type { Target } from './target.ts'

/** All targets, with valid PDUs from an exchange of our own client and server. */
export async function allTargets(): Promise<Target[]> {
  const corpus = await makeCorpus()
  return [pduStreams(corpus), marshalling(), association(corpus), descriptions()]
}
