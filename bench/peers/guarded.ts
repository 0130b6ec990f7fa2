/** A server of `bench.Socket` that knows its callers by the socket they come in on, as a bus knows a partition by its link. */
import { AssociationGroups, contract, method, plainInterface, RpcAccess, RpcServer, t } from 'busbar/rpc'
import { listenUnix, nodeEnv } from 'busbar/transport'
import { serve } from './serve.ts'

interface Request {
  do: 'listen'
  path: string
  /** Nobody in particular, without. */
  caller?: string
}

const Bench = contract('bench.Socket', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
const served = plainInterface(Bench, { echo: ({ data }) => data })
const lookup = ({ uuid }: { uuid: string }): typeof served | undefined => (uuid === Bench.uuid ? served : undefined)
const env = nodeEnv()

serve(async ({ path, caller }: Request): Promise<void> => {
  const groups = new AssociationGroups(env)
  const options = { env, lookup, groups, ...(caller === undefined ? {} : { caller }) }
  await listenUnix(path, { onLink: (link) => void new RpcServer(new RpcAccess(link), options) })
})
