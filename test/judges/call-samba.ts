/**
 * A client of Samba's server: plain calls to interfaces of Windows, over a Unix socket and over TCP.
 *
 *   call-samba.ts SERVICES MAPPER CAPTURE      the Unix sockets of the services and of the endpoint mapper
 *
 * Prints one line of JSON, and records what was said.
 */
import net from 'node:net'
import { BusbarError } from '../../src/errors/index.ts'
import type { ByteLink } from '../../src/link/index.ts'
import { contract, FaultError, method, plainClient, RpcAccess, RpcClient, t } from '../../src/rpc/index.ts'
import {
  decodeTower,
  EndpointMapper,
  encodeTower,
  INQUIRY,
  Management,
  NO_HANDLE,
  VERSIONS,
} from '../../src/services/index.ts'
import { connectUnix, nodeEnv, socketLink } from '../../src/transport/index.ts'
import { recording } from './recorder.ts'

const { idl } = t

/** MS-SRVS: two of its operations, in the middle of many. */
const ServerService = contract(
  'srvsvc',
  { version: '3.0', uuid: '4b324fc8-1670-01d3-1278-5a47bf6ee188' },
  {
    netShareEnum: method(
      {
        server_unc: t.optional(t.string),
        info: t.struct({
          level: t.uint32,
          shares: idl.union(
            t.uint32,
            { 1: t.optional(t.struct({ count: t.uint32, array: t.optional(idl.array(t.uint32, { size: 'count' })) })) },
            { switchIs: 'level' },
          ),
        }),
        max_buffer: t.uint32,
        resume_handle: t.optional(t.uint32),
      },
      idl.out(
        {
          info: t.struct({
            level: t.uint32,
            shares: idl.union(
              t.uint32,
              {
                1: t.optional(
                  t.struct({
                    count: t.uint32,
                    array: t.optional(
                      idl.array(
                        t.struct({ name: t.optional(t.string), type: t.uint32, comment: t.optional(t.string) }),
                        { size: 'count' },
                      ),
                    ),
                  }),
                ),
              },
              { switchIs: 'level' },
            ),
          }),
          total: t.uint32,
          resume_handle: t.optional(t.uint32),
        },
        idl.status,
      ),
      { opnum: 15 },
    ),
    netRemoteTod: method(
      { server_unc: t.optional(t.string) },
      idl.out(
        {
          info: t.optional(
            t.struct({
              elapsed: t.uint32,
              msecs: t.uint32,
              hours: t.uint32,
              mins: t.uint32,
              secs: t.uint32,
              hunds: t.uint32,
              timezone: t.int32,
              interval: t.uint32,
              day: t.uint32,
              month: t.uint32,
              year: t.uint32,
              weekday: t.uint32,
            }),
          ),
        },
        idl.status,
      ),
      { opnum: 28 },
    ),
    /** Not one of its operations: there are 58. */
    beyond: method({}, t.void, { opnum: 99 }),
  },
)

/** MS-WKST: one of its operations. */
const WorkstationService = contract(
  'wkssvc',
  { version: '1.0', uuid: '6bffd098-a112-3610-9833-46c3f87e345a' },
  {
    netWkstaGetInfo: method(
      { server_unc: t.optional(t.string), level: t.uint32 },
      idl.out(
        {
          info: idl.union(
            t.uint32,
            {
              100: t.optional(
                t.struct({
                  platform_id: t.uint32,
                  server_name: t.optional(t.string),
                  domain_name: t.optional(t.string),
                  version_major: t.uint32,
                  version_minor: t.uint32,
                }),
              ),
            },
            { switchIs: 'level' },
          ),
        },
        idl.status,
      ),
    ),
  },
)

const NDR20 = { uuid: '8a885d04-1ceb-11c9-9fe8-08002b104860', major: 2, minor: 0 }
const env = nodeEnv()
const [, , socket = '', mapperSocket = '', capture = ''] = process.argv
const recorded = recording(capture)

async function connectTcp(port: number): Promise<ByteLink> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return recorded.tap(socketLink(socket), 'client')
}

/** What the services behind one link say. */
async function services(link: ByteLink): Promise<object> {
  const rpc = new RpcClient(new RpcAccess(link), { env })
  const [server, workstation, management] = await Promise.all([
    plainClient(rpc, ServerService),
    plainClient(rpc, WorkstationService),
    plainClient(rpc, Management),
  ])
  const before = Date.now() / 1_000
  // At once: where the server does not multiplex, they go one after the other.
  const [tod, shares, info, ids] = await Promise.all([
    server.netRemoteTod({ server_unc: undefined }),
    server.netShareEnum({
      info: { level: 1, shares: { case: 1, value: { count: 0 } } },
      max_buffer: 0xffff_ffff,
      resume_handle: 0,
    }),
    workstation.netWkstaGetInfo({ level: 100 }),
    management.inqIfIds(),
  ])
  const beyond = await server.beyond().then(
    () => 'answered',
    (thrown: unknown) => faultOf(thrown),
  )
  const { fragment, group } = rpc.inspect()
  rpc.close()
  const list = shares.info.shares.value?.array ?? []
  const about = info.info.value
  return {
    clock: tod.result === 0 && Math.abs((tod.info?.elapsed ?? 0) - before) < 60,
    shares: list.map(({ name, type, comment }) => `${name} ${type} ${comment}`).sort(),
    total: shares.total,
    workstation: `${about?.server_name} in ${about?.domain_name}, platform ${about?.platform_id}`,
    interfaces: ids.if_id_vector?.if_id.some((id) => id?.uuid === ServerService.uuid) ?? false,
    beyond,
    fragment,
    group: group !== 0,
  }
}

function faultOf(thrown: unknown): string {
  const { code } = BusbarError.from(thrown)
  return thrown instanceof FaultError ? `${code} ${thrown.status.toString(16)}` : code
}

/** Everything that the endpoint mapper knows, page by page, and where it says that srvsvc is. */
async function endpoints(link: ByteLink): Promise<{ known: number; readable: boolean; srvsvc: number }> {
  const rpc = new RpcClient(new RpcAccess(link), { env })
  const mapper = await plainClient(rpc, EndpointMapper)
  const all = { inquiry_type: INQUIRY.ALL, vers_option: VERSIONS.ALL, max_ents: 10 }
  const towers: (Uint8Array | undefined)[] = []
  let entry_handle = NO_HANDLE
  do {
    const page = await mapper.lookup({ ...all, entry_handle })
    towers.push(...page.entries.map(({ tower }) => tower?.tower_octet_string))
    entry_handle = page.entry_handle
  } while (entry_handle.uuid !== NO_HANDLE.uuid)
  const read = towers.map((bytes) => (bytes === undefined ? undefined : decodeTower(bytes)))
  const { uuid, major, minor } = ServerService
  const endpoint = { protocol: 'tcp', port: 135, address: '0.0.0.0' } as const
  const bytes = encodeTower({ interface: { uuid, major, minor }, transfer: NDR20, endpoint })
  const mapped = await mapper.map({
    map_tower: { tower_length: bytes.length, tower_octet_string: bytes },
    entry_handle: NO_HANDLE,
    max_towers: 4,
  })
  rpc.close()
  const first = mapped.towers[0]?.tower_octet_string
  const where = first === undefined ? undefined : decodeTower(first)?.endpoint
  return {
    known: read.length,
    readable: read.every((tower) => tower !== undefined),
    srvsvc: where?.protocol === 'tcp' ? where.port : 0,
  }
}

const overTcp = await endpoints(await connectTcp(135))
const result = {
  unix: await services(recorded.tap(await connectUnix(socket), 'client')),
  endpoints: { overTcp, overUnix: await endpoints(recorded.tap(await connectUnix(mapperSocket), 'client')) },
  tcp: overTcp.srvsvc === 0 ? 'srvsvc is not served over TCP' : await services(await connectTcp(overTcp.srvsvc)),
}
await recorded.keep()
process.stdout.write(`${JSON.stringify(result)}\n`)
