import { renderBytes } from './progress-bar.ts'
import { renderTable } from './table.ts'

/** Most of a reason that the table shows, `characters` (our choice; `--json` has all of it). */
const REASON = 60

/** The parts of the operator's report that the tables show. */
export interface Report {
  readonly bus: {
    readonly partitions: readonly { readonly name: string; readonly epoch: number; readonly attached: boolean }[]
    readonly offers: readonly {
      readonly partition: string
      readonly service: string
      readonly mode: string
      readonly contract: string
    }[]
    readonly pipes: readonly {
      readonly caller: string
      readonly pipe: string
      /** `ring` or `stream`; absent in the reports of older buses. */
      readonly medium?: string
      /** Why it is no ring, and why its ring is with the bus and not with the other end. */
      readonly noRings?: string
      readonly notDirect?: string
      /** Absent where the bytes do not pass the bus. */
      readonly bytesToService?: number
      readonly bytesToCaller?: number
    }[]
  }
  /** `available`, or why this host makes no rings at all. */
  readonly rings?: string
  readonly partitions: readonly {
    readonly name: string
    readonly kind?: string
    readonly running?: { readonly pid?: number }
    readonly log?: string
  }[]
  /** Which partitions may open what is offered, with the number of the rule that says so; absent where nobody was asked. */
  readonly access?: readonly {
    readonly partition: string
    readonly service: string
    readonly callers: readonly { readonly partition: string; readonly rule: number }[]
  }[]
}

/** Partitions, services and pipes, for people. */
export function reportTables({ bus, partitions, access, rings = 'available' }: Report): string[] {
  const launched = new Map(partitions.map((partition) => [partition.name, partition]))
  const rows = bus.partitions.map(({ name, epoch, attached }) => {
    const { kind = '-', running, log = '-' } = launched.get(name) ?? {}
    return [name, kind, attached ? 'attached' : 'not attached', `${epoch}`, `${running?.pid ?? '-'}`, log]
  })
  const offers = bus.offers.map(({ partition, service, mode, contract }) => {
    const may = access?.find((one) => one.partition === partition && one.service === service)?.callers
    return [
      `${partition}/${service}`,
      mode,
      contract === '' ? 'a plain stream' : contract,
      ...(access === undefined ? [] : [callersText(may ?? [])]),
    ]
  })
  const pipes = bus.pipes.map(({ caller, pipe, medium = '-', bytesToService, bytesToCaller, noRings, notDirect }) => [
    `${caller} -> ${pipe}`,
    medium,
    bytesToService === undefined ? '-' : renderBytes(bytesToService),
    bytesToCaller === undefined ? '-' : renderBytes(bytesToCaller),
    shortened(noRings ?? notDirect ?? (medium === 'stream' && rings !== 'available' ? rings : '')),
  ])
  const pipeHeads = ['PIPE', 'MEDIUM', 'TO SERVICE', 'TO CALLER', pipes.some(([, , , , why]) => why) ? 'WHY' : '']
  const serviceHeads = ['SERVICE', 'MODE', 'CONTRACT', ...(access === undefined ? [] : ['WHO MAY CALL'])]
  return [
    ...renderTable([['PARTITION', 'KIND', 'STATE', 'EPOCH', 'PID', 'LOG'], ...rows]),
    ...(offers.length === 0 ? [] : ['', ...renderTable([serviceHeads, ...offers])]),
    ...(pipes.length === 0 ? [] : ['', ...renderTable([pipeHeads, ...pipes])]),
  ]
}

/** `web (rule 1), worker (rule 3)`; the operator's programs always may. */
function callersText(callers: readonly { readonly partition: string; readonly rule: number }[]): string {
  if (callers.length === 0) return 'only the operator'
  return callers.map(({ partition, rule }) => `${partition} (rule ${rule})`).join(', ')
}

function shortened(reason: string): string {
  return reason.length > REASON ? `${reason.slice(0, REASON - 1)}…` : reason
}
