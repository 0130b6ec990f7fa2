import { renderBytes } from './progress-bar.ts'
import { renderTable } from './table.ts'

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
      /** Absent where the bytes do not pass the bus. */
      readonly bytesToService?: number
      readonly bytesToCaller?: number
    }[]
  }
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
export function reportTables({ bus, partitions, access }: Report): string[] {
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
  const pipes = bus.pipes.map(({ caller, pipe, medium = '-', bytesToService, bytesToCaller }) => [
    `${caller} -> ${pipe}`,
    medium,
    bytesToService === undefined ? '-' : renderBytes(bytesToService),
    bytesToCaller === undefined ? '-' : renderBytes(bytesToCaller),
  ])
  const serviceHeads = ['SERVICE', 'MODE', 'CONTRACT', ...(access === undefined ? [] : ['WHO MAY CALL'])]
  return [
    ...renderTable([['PARTITION', 'KIND', 'STATE', 'EPOCH', 'PID', 'LOG'], ...rows]),
    ...(offers.length === 0 ? [] : ['', ...renderTable([serviceHeads, ...offers])]),
    ...(pipes.length === 0 ? [] : ['', ...renderTable([['PIPE', 'MEDIUM', 'TO SERVICE', 'TO CALLER'], ...pipes])]),
  ]
}

/** `web (rule 1), worker (rule 3)`; the operator's programs always may. */
function callersText(callers: readonly { readonly partition: string; readonly rule: number }[]): string {
  if (callers.length === 0) return 'only the operator'
  return callers.map(({ partition, rule }) => `${partition} (rule ${rule})`).join(', ')
}
