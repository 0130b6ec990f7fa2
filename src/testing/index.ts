/** Contract suites, doubles and the deterministic simulator, exported for those who write their own transport or component. */
export { linkSuite, messageSuite } from './link-suite.ts'
export { BYTE_CHECKS, COMMON_CHECKS, type LinkCheck, MESSAGE_CHECKS, runCheck } from './link/checks.ts'
export { type LinkPair, type LinkTraits, Probe } from './link/probe.ts'
export { MemoryLink, memoryPair } from '../link/index.ts'
