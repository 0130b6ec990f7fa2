import type { Bus } from '../agent/index.ts'
import { BusbarError, escapeJson } from '../errors/index.ts'
import { describeContracts } from '../rpc/index.ts'
import { HOST_PARTITION, Operator } from '../services/index.ts'
import { usingBus } from './bus-of.ts'
import { type Command, type Given, JSON_OPTION, SOCKET_OPTION, LOOK_AT_BUS, type Terminal } from './command.ts'
import { methodText } from './method-text.ts'
import { type Report, reportTables } from './report-tables.ts'
import { serviceContracts } from './service-contracts.ts'
import { renderTable } from './table.ts'
import { completeTargets } from './complete-targets.ts'
import { waiting } from './waiting.ts'

/** Most `ms` for asking a service what it is. */
const DEADLINE = 10_000

export const ls: Command = {
  name: 'ls',
  words: '[PARTITION/SERVICE]',
  summary: 'list partitions, services, who may call them and open pipes; or the contracts and methods of one service',
  options: {
    ...JSON_OPTION,
    ...SOCKET_OPTION,
    contract: {
      type: 'string',
      value: 'FILE',
      help: 'module that exports the contract, where the service does not say',
    },
  },
  examples: ['busbar ls', 'busbar ls --json', 'busbar ls storage/busbar.FileStore'],
  look: LOOK_AT_BUS,
  arity: [0, 1],
  complete: (given) => (given.words.length === 0 ? completeTargets(given, 'components') : Promise.resolve([])),
  run: (given, terminal) => (given.words.length === 0 ? listBus(given, terminal) : listService(given, terminal)),
}

async function listBus(given: Given, terminal: Terminal): Promise<number> {
  const report = await usingBus(given, terminal, (bus) =>
    waiting(terminal, 'what the bus says of itself', inspect(bus, terminal.signal)),
  )
  if (given.options['json'] === true) {
    terminal.out(escapeJson(JSON.stringify({ schemaVersion: 1, ...report }, undefined, 2)))
    return 0
  }
  for (const line of reportTables(report)) terminal.out(line)
  return 0
}

async function inspect(bus: Bus, signal: AbortSignal): Promise<Report> {
  await using operator = await bus.activate(Operator, { in: HOST_PARTITION, signal })
  return JSON.parse(await operator.inspect({}, { signal })) as Report
}

async function listService(given: Given, terminal: Terminal): Promise<number> {
  const [target = ''] = given.words
  const file = given.options['contract']
  const { signal } = terminal
  const { contracts, source } = await usingBus(given, terminal, async (bus) => {
    const asking = serviceContracts(bus, target, {
      deadline: DEADLINE,
      signal,
      file: typeof file === 'string' ? file : undefined,
    })
    const { objects, ...found } = await waiting(terminal, target, asking)
    objects.close(new BusbarError('CLOSED', 'asked'))
    return found
  })
  if (given.options['json'] === true) {
    const record = { schemaVersion: 1, source, description: describeContracts(contracts) }
    terminal.out(escapeJson(JSON.stringify(record, undefined, 2)))
    return 0
  }
  for (const { name, version, uuid, procedures } of contracts) {
    terminal.out(`${name} ${version}  ${uuid}`)
    const rows = procedures.map((procedure) => [`  ${procedure.number}`, methodText(procedure)])
    for (const line of renderTable(rows)) terminal.out(line)
  }
  if (source !== 'the service') terminal.note(`according to ${source}: the service does not describe itself`)
  return 0
}
