import {
  AssociationGroups,
  contract,
  method,
  plainClient,
  plainInterface,
  RpcAccess,
  RpcClient,
  RpcServer,
  t,
} from 'busbar/rpc'
import { connectUnix, listenUnix, nodeEnv } from 'busbar/transport'
import { type Connection, failed, type Stack } from './stack.ts'

/** Room for the largest payload of the sweep; by default 4 MiB with all arguments. */
const LIMITS = { request: 17 * 1024 * 1024 }

const Bench = contract(
  'bench.Socket',
  { version: '1.0' },
  { echo: method({ data: t.bytes }, t.bytes), upload: method({ data: t.bytes }, t.uint32) },
)

/** A contract served and called over one association, no bus in between: arguments pass the marshaller on both sides. */
export const busbar: Stack = {
  async serve(path) {
    const env = nodeEnv()
    const served = plainInterface(Bench, { echo: ({ data }) => data, upload: ({ data }) => data.length })
    const lookup = ({ uuid }: { uuid: string }) => (uuid === Bench.uuid ? served : undefined)
    const groups = new AssociationGroups(env)
    await listenUnix(path, {
      onLink: (link) => void new RpcServer(new RpcAccess(link), { env, lookup, groups, limits: LIMITS }),
    })
  },

  connect,
}

async function connect(path: string): Promise<Connection> {
  const rpc = new RpcClient(new RpcAccess(await connectUnix(path)), { env: nodeEnv(), limits: LIMITS })
  const client = await plainClient(rpc, Bench)
  const connection: Connection = {
    echo: (data, done) => void client.echo({ data }).then((back) => done(back.length), failed),
    upload: (data, done) => void client.upload({ data }).then(done, failed),
    // Small calls and bulk share one association: that neither waits for the other is its own business.
    sibling: () => Promise.resolve(connection),
  }
  return connection
}
