/** Serves interfaces by plain calls on TCP ports and Unix sockets: for peers that nobody here wrote, and for judging. */
import net from 'node:net'
import type { ByteLink } from '../src/link/index.ts'
import { AssociationGroups, plainInterface, RpcAccess, type RpcInterface, RpcServer } from '../src/rpc/index.ts'
import {
  type Endpoint,
  type EndpointEntry,
  EndpointMapper,
  endpointMap,
  Management,
  management,
} from '../src/services/index.ts'
import { listenUnix, nodeEnv, socketLink } from '../src/transport/index.ts'

const NDR20 = { uuid: '8a885d04-1ceb-11c9-9fe8-08002b104860', major: 2, minor: 0 }

/** An interface with the name that the endpoint mapper tells of it. */
export interface Named {
  readonly annotation: string
  /** Makes what serves one association group: what it keeps, context handles say, is good in that group only. */
  readonly served: () => RpcInterface
}

export interface PlainServerOptions {
  /** Largest PDU, `bytes`; the library's own by default. */
  readonly fragment?: number
  /** As in `PlainInterfaceOptions`, for mgmt and epmapper. */
  readonly ignoreTrailing?: boolean
  /** Stands between every link and its server. */
  readonly tap?: (link: ByteLink) => ByteLink
}

const env = nodeEnv()

/**
 * Serves `named`, mgmt and epmapper on `address`: a port of an IPv4 address (0 takes a free one) or the path of a Unix
 * socket. Gives the address with the port that it took. Whoever can connect may call, and all who do are one caller.
 */
export async function listenPlain(
  address: string,
  named: readonly Named[],
  options: PlainServerOptions = {},
): Promise<string> {
  const tcp = /^(\d+\.\d+\.\d+\.\d+):(\d{1,5})$/.exec(address)
  if (tcp === null) {
    await listenUnix(address, { onLink: taker(named, undefined, '', options) })
    return address
  }
  const [, host = '', port] = tcp
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(Number(port), host, () => resolve())
  })
  const { port: bound } = listener.address() as net.AddressInfo
  const take = taker(named, { protocol: 'tcp', port: bound, address: host }, String(bound), options)
  listener.on('connection', (socket) => take(socketLink(socket)))
  return `${host}:${bound}`
}

/** Takes the links of one address. */
function taker(
  named: readonly Named[],
  endpoint: Endpoint | undefined,
  address: string,
  { fragment, tap = (link) => link, ignoreTrailing = false }: PlainServerOptions,
): (link: ByteLink) => void {
  const served = new Map<number, readonly RpcInterface[]>()
  const groups = new AssociationGroups(env, { ended: (group) => served.delete(group) })
  const inGroup = (group: number): readonly RpcInterface[] => {
    const known = served.get(group) ?? withOwn(named, endpoint, ignoreTrailing)
    served.set(group, known)
    return known
  }
  return (link) => {
    new RpcServer(new RpcAccess(tap(link)), {
      env,
      groups,
      address,
      ...(fragment === undefined ? {} : { limits: { fragment } }),
      lookup: ({ uuid, major, minor }, group) =>
        inGroup(group).find(({ id }) => id.uuid === uuid && id.major === major && id.minor >= minor),
    })
  }
}

/** The interfaces as one association group sees them. */
function withOwn(named: readonly Named[], endpoint: Endpoint | undefined, ignoreTrailing: boolean): RpcInterface[] {
  const { uuid, major, minor } = EndpointMapper
  const served = named.map((each) => each.served())
  const ids = [...served.map(({ id }) => id), { uuid, major, minor }]
  const annotations = [...named.map(({ annotation }) => annotation), 'endpoint mapper']
  const entries: EndpointEntry[] =
    endpoint === undefined
      ? []
      : ids.map((id, i) => ({ interface: id, transfer: NDR20, endpoint, annotation: annotations[i] ?? '' }))
  let calls = 0
  const counted = ({ id, opnums, dispatch }: RpcInterface): RpcInterface => ({
    id,
    opnums,
    dispatch: (call) => {
      calls++
      return dispatch(call)
    },
  })
  return [
    ...served,
    plainInterface(EndpointMapper, endpointMap(entries), { ignoreTrailing }),
    plainInterface(Management, management({ interfaces: ids, statistics: () => [calls] }), { ignoreTrailing }),
  ].map(counted)
}
