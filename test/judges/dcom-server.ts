/**
 * The DCOM server that the judges judge where `npm run peer:dcom` has not what they ask for: an object that takes and gives every
 * kind of value, references among them.
 *
 *   dcom-server.ts [CAPTURE]
 *
 * Prints one line of JSON for each thing that befalls the objects.
 */
import { implement } from '../../src/component/index.ts'
import { BusbarError } from '../../src/errors/index.ts'
import { contract, method, t } from '../../src/rpc/index.ts'
import { DcomServer } from '../../src/services/index.ts'
import { nodeEnv } from '../../src/transport/index.ts'
import { listenDcom } from '../../scripts/dcom-listener.ts'
import { recorder } from './recorder.ts'

const Listener = contract(
  'test.Listener',
  { version: '1.0', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c03' },
  { heard: method({ text: t.string }, t.void) },
)
const Point = t.struct({ x: t.int32, y: t.float64, name: t.string })
const Sampler = contract(
  'test.Sampler',
  { version: '1.0', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c02' },
  {
    scalars: method(
      { small: t.uint8, short: t.int16, long: t.uint32, hyper: t.uint64, real: t.float64, yes: t.bool },
      t.struct({ small: t.uint8, short: t.int16, long: t.uint32, hyper: t.uint64, real: t.float64, yes: t.bool }),
    ),
    greet: method({ name: t.string }, t.string),
    mirror: method({ point: Point }, Point),
    sort: method({ numbers: t.array(t.uint32) }, t.array(t.uint32)),
    reverse: method({ bytes: t.bytes }, t.bytes),
    /** A new object. */
    child: method({}, t.ref(Listener)),
    /** Calls back. */
    listen: method({ listener: t.ref(Listener) }, t.void),
    fail: method({}, t.void),
  },
)
type Scalars = { small: number; short: number; long: number; hyper: bigint; real: number; yes: boolean }

function tell(what: string): void {
  process.stdout.write(`${JSON.stringify({ what })}\n`)
}

function listener(name: string) {
  return {
    heard: ({ text }: { text: string }) => tell(`${name} heard ${text}`),
    [Symbol.dispose]: () => tell(`${name} disposed of`),
  }
}

function sampler() {
  const methods = {
    scalars: (given: Scalars) => given,
    greet: ({ name }: { name: string }) => `hello, ${name} \u{1f600}`,
    mirror: ({ point: { x, y, name } }: { point: { x: number; y: number; name: string } }) => ({ x: -x, y: -y, name }),
    sort: ({ numbers }: { numbers: number[] }) => numbers.sort((a, b) => a - b),
    reverse: ({ bytes }: { bytes: Uint8Array }) => Uint8Array.from(bytes).reverse(),
    child: () => listener('child'),
    listen: async (args: { listener: { heard(said: { text: string }): unknown } }) => {
      await args.listener.heard({ text: 'a call back' })
    },
    fail: () => {
      throw new BusbarError('BUSY', 'as it was asked to')
    },
    heard: ({ text }: { text: string }) => tell(`sampler heard ${text}`),
    [Symbol.dispose]: () => tell('sampler disposed of'),
  }
  return implement([Sampler, Listener], methods)
}

const [, , file] = process.argv
const server = new DcomServer({ env: nodeEnv() })
server.offer(Sampler, () => sampler(), '9d1f5c0a-0000-4000-8000-000000000002')
const where = await listenDcom('127.0.0.1:135', server, file === undefined ? undefined : recorder(file))
process.stdout.write(`listening on ${where}\n`)
