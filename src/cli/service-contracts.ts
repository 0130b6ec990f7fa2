import type { Bus } from '../agent/index.ts'
import type { ObjectClient } from '../component/index.ts'
import { BusbarError } from '../errors/index.ts'
import { parsePipeName } from '../pipe/index.ts'
import { type Contract, contractsOf, Described } from '../rpc/index.ts'
import { File, FileStore, Operator } from '../services/index.ts'
import { loadContracts } from './contracts.ts'

/** Contracts that Busbar has itself, for partitions that do not describe theirs. */
const OWN: readonly Contract[] = [File, FileStore, Operator]

/** What a service says that its components are. */
export interface ServiceContracts {
  readonly contracts: readonly Contract[]
  /** Who said so. */
  readonly source: 'the service' | 'a file' | 'Busbar'
  /** Makes calls over the pipe that was opened for asking. */
  readonly objects: ObjectClient
}

/** How to ask. `deadline` in `ms`. */
export interface AskOptions {
  /** A module or a description that has the contracts: the service is not asked. */
  readonly file?: string | undefined
  readonly deadline: number
  readonly signal: AbortSignal
}

/**
 * Opens a pipe to `partition/service` and finds the contracts of what is there: from the file that was named, else from the
 * service itself, else from Busbar. Rejects as opening does; `NO_SUCH_INTERFACE` when nobody knows. Closing `objects` is the caller's.
 */
export async function serviceContracts(bus: Bus, target: string, options: AskOptions): Promise<ServiceContracts> {
  const { file, deadline, signal } = options
  const { service } = parsePipeName(target)
  const loaded = file === undefined ? undefined : await loadContracts(file)
  if (loaded !== undefined && !loaded.some(({ name }) => name === service)) throw notIn(service, loaded, `${file} has`)
  const over = { deadline, signal }
  if (loaded === undefined) await refusePlainStream(bus, target)
  const objects = bus.objects(await bus.openPipe(target, over))
  try {
    if (loaded !== undefined) return { contracts: loaded, source: 'a file', objects }
    return { ...(await ask(objects, service, over)), objects }
  } catch (thrown) {
    objects.close()
    throw thrown
  }
}

async function ask(
  objects: ObjectClient,
  service: string,
  options: { readonly deadline: number; readonly signal: AbortSignal },
): Promise<Pick<ServiceContracts, 'contracts' | 'source'>> {
  try {
    await using described = await objects.activate(Described, options)
    return { contracts: await contractsOf(described, options), source: 'the service' }
  } catch (thrown) {
    const { code } = BusbarError.from(thrown)
    if (code !== 'NO_SUCH_CLASS' && code !== 'NO_SUCH_INTERFACE') throw thrown
    if (OWN.some(({ name }) => name === service)) return { contracts: OWN, source: 'Busbar' }
    throw new BusbarError(
      'NO_SUCH_INTERFACE',
      `${service} does not say what its contracts are, and Busbar has none of that name`,
      {
        stage: 'contract',
        cause: thrown,
        hints: ['name the module that exports it with --contract FILE'],
      },
    )
  }
}

/** Objects are not asked for where a stream is offered: it would be given bytes that are not meant for it. */
async function refusePlainStream(bus: Bus, target: string): Promise<void> {
  const { partition, service } = parsePipeName(target)
  const offers = await bus.offers()
  const offer = offers.find((one) => one.partition === partition && one.service === service)
  if (offer === undefined || offer.contract !== '') return
  throw new BusbarError('NO_SUCH_INTERFACE', `${target} is a plain stream without methods`, {
    stage: 'contract',
    hints: [`\`busbar pipe ${target}\` opens it`],
  })
}

/** The contract that a service is named after; of several major versions the highest. */
export function namedContract(contracts: readonly Contract[], service: string): Contract {
  const [found] = contracts.filter(({ name }) => name === service).toSorted((a, b) => b.major - a.major)
  if (found === undefined) throw notIn(service, contracts, 'there are')
  return found
}

function notIn(service: string, contracts: readonly Contract[], has: string): BusbarError {
  const names = contracts.map(({ name }) => name).join(', ')
  return new BusbarError(
    'NO_SUCH_INTERFACE',
    `no contract "${service}" here; ${has} ${names === '' ? 'none' : names}`,
    {
      stage: 'contract',
      hints: ['name the module that exports it with --contract FILE'],
    },
  )
}
