import { HOST_PARTITION, Operator } from '../services/index.ts'
import { busOf } from './bus-of.ts'
import { type Command, JSON_OPTION, SOCKET_OPTION, LOOK_AT_BUS } from './command.ts'
import { renderBytes } from './progress-bar.ts'
import { renderTable } from './table.ts'

/** The parts of the operator's report that the tables show. */
interface Report {
  bus: {
    partitions: { name: string; epoch: number; attached: boolean }[]
    offers: { partition: string; service: string; mode: string; contract: string }[]
    pipes: { caller: string; pipe: string; bytesToService: number; bytesToCaller: number }[]
  }
  partitions: { name: string; kind?: string; running?: { pid?: number; accel?: string }; log?: string }[]
}

export const ls: Command = {
  name: 'ls',
  words: '',
  summary: 'list partitions, the services they offer, and open pipes',
  options: { ...JSON_OPTION, ...SOCKET_OPTION },
  examples: ['busbar ls', 'busbar ls --json'],
  look: LOOK_AT_BUS,
  arity: [0, 0],
  async run(given, terminal) {
    await using bus = await busOf(given, terminal)
    await using operator = await bus.activate(Operator, { in: HOST_PARTITION })
    const report = JSON.parse(await operator.inspect()) as Report
    if (given.options['json'] === true) {
      terminal.out(JSON.stringify({ schemaVersion: 1, ...report }, undefined, 2))
      return 0
    }
    for (const line of tables(report)) terminal.out(line)
    return 0
  },
}

function tables({ bus, partitions }: Report): string[] {
  const launched = new Map(partitions.map((partition) => [partition.name, partition]))
  const rows = bus.partitions.map(({ name, epoch, attached }) => {
    const { kind = '-', running, log = '-' } = launched.get(name) ?? {}
    return [name, kind, attached ? 'attached' : 'not attached', `${epoch}`, `${running?.pid ?? '-'}`, log]
  })
  const offers = bus.offers.map(({ partition, service, mode, contract }) => [
    `${partition}/${service}`,
    mode,
    contract === '' ? 'a plain stream' : contract,
  ])
  const pipes = bus.pipes.map(({ caller, pipe, bytesToService, bytesToCaller }) => [
    `${caller} -> ${pipe}`,
    renderBytes(bytesToService),
    renderBytes(bytesToCaller),
  ])
  return [
    ...renderTable([['PARTITION', 'KIND', 'STATE', 'EPOCH', 'PID', 'LOG'], ...rows]),
    ...(offers.length === 0 ? [] : ['', ...renderTable([['SERVICE', 'MODE', 'CONTRACT'], ...offers])]),
    ...(pipes.length === 0 ? [] : ['', ...renderTable([['PIPE', 'TO SERVICE', 'TO CALLER'], ...pipes])]),
  ]
}
