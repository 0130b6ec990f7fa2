/** Contract suites, doubles and the deterministic simulator, exported for those who write their own transport or component. */
export { descriptorsTo, heldRings, mappedRings } from './held.ts'
export { linkSuite, messageSuite } from './link-suite.ts'
export { BYTE_CHECKS, COMMON_CHECKS, type LinkCheck, MESSAGE_CHECKS, runCheck } from './link/checks.ts'
export { flowing } from './link/flowing.ts'
export { type FencedLink, RingPairs } from './link/ring-pairs.ts'
export { type LinkPair, type LinkTraits, Probe } from './link/probe.ts'
export { type GuardRules, guardMutants, killerOf, type Mutant, mutatedText, stepMutant } from './mutants.ts'
export { MemoryLink, memoryPair } from '../link/index.ts'
export { type ApartResult, runApart } from './sim/apart.ts'
export {
  addResults,
  type CampaignResult,
  type Failure,
  neverReached,
  NO_SEEDS,
  runSeeds,
} from './sim/campaign.ts'
export type { Op, Plan } from './sim/plan.ts'
export type { Plants } from './sim/plants.ts'
export type { Violation } from './sim/report.ts'
export { planOf, type RunOptions, type RunResult, runSeed } from './sim/run.ts'
export { shrink } from './sim/shrink.ts'
export { SOMETIMES, type SometimesState } from './sim/sometimes.ts'
export { StillEnv } from './still-env.ts'
