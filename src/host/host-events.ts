import type { BusEvent } from '../bus/index.ts'
import type { BusbarError } from '../errors/index.ts'
import type { PartitionExit, Progress } from '../partition/index.ts'
import type { AuditRecord } from '../policy/index.ts'

/** What whoever runs a bus hears of, as it happens. Texts from partitions are theirs: escape before printing. */
export type HostEvent =
  | BusEvent
  | { readonly kind: 'decided'; readonly record: Omit<AuditRecord, 'sequence'> }
  /** The audit log can no longer be written: every opening is refused until it can. Told once for each time that this begins. */
  | { readonly kind: 'unrecorded'; readonly path: string; readonly reason: BusbarError }
  /** `log`: the file with what a machine prints on its console; programs of this host print as `output`. */
  | { readonly kind: 'starting'; readonly partition: string; readonly how: string; readonly log?: string }
  | { readonly kind: 'exited'; readonly partition: string; readonly exit: PartitionExit }
  | { readonly kind: 'output'; readonly partition: string; readonly line: string; readonly from: 'stdout' | 'stderr' }
  | { readonly kind: 'image'; readonly progress: Progress }
  | { readonly kind: 'broken'; readonly partition: string; readonly reason: BusbarError }
