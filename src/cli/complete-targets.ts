import { attach, type Bus } from '../agent/index.ts'
import { signatureText } from '../idl/index.ts'
import { parsePipeName } from '../pipe/index.ts'
import { isArguments, objectOf, proceduresOf, stepsOf } from './call-chain.ts'
import type { Candidate, Given } from './command.ts'
import { exampleFields } from './example-values.ts'
import { namedContract, serviceContracts } from './service-contracts.ts'

/** Most `ms` for each thing that is asked while a person waits for proposals: as for an opening. */
const DEADLINE = 10_000

/** The services on the bus that can be called, or opened as streams. */
export async function completeTargets(given: Given, kind: 'components' | 'all'): Promise<Candidate[]> {
  await using bus = await busQuietly(given)
  const offers = await bus.offers()
  return offers
    .filter(({ contract }) => kind === 'all' || contract !== '')
    .map(({ partition, service, contract }) => ({
      value: `${partition}/${service}`,
      about: contract === '' ? 'a plain stream' : contract,
    }))
}

/** The methods of the service that the first word names, or of the object that the last call gives; behind a method, its arguments to fill in. */
export async function completeMethods(given: Given, signal: AbortSignal): Promise<Candidate[]> {
  const [target = '', ...words] = given.words
  const file = given.options['contract']
  await using bus = await busQuietly(given)
  const asked = await serviceContracts(bus, target, {
    deadline: DEADLINE,
    signal,
    file: typeof file === 'string' ? file : undefined,
  })
  asked.objects.close()
  const contract = namedContract(asked.contracts, parsePipeName(target).service)
  const steps = stepsOf(words)
  const last = steps.at(-1)
  const names = steps.map(({ name }) => name)
  const called = proceduresOf(contract, names, target).at(-1)
  const object = called && objectOf(called.result)
  const methods = (called === undefined ? contract : object)?.procedures ?? []
  const next = methods.map((procedure) => ({ value: procedure.name, about: signatureText(procedure) }))
  if (called === undefined || last === undefined || isArguments(words.at(-1) ?? '')) return next
  // Behind a method its arguments come first; one that takes none may be followed by the next at once.
  if (called.args.length === 0) return next
  return [{ value: JSON.stringify(exampleFields(called.args)), about: signatureText(called) }]
}

function busQuietly({ options }: Given): Promise<Bus> {
  const socket = options['socket']
  return attach(typeof socket === 'string' ? { socket } : {})
}
