/** Many streams over one byte link: the yamux protocol, with credit returned on consumption. */
export type { MuxInspect, MuxStreamInspect } from './inspect.ts'
export { MUX_LIMITS, type MuxLimits } from './limits.ts'
export { type MuxOptions, MuxSession } from './session.ts'
export { MuxStream } from './stream.ts'
