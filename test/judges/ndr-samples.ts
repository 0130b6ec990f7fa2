import fc from 'fast-check'
import { t } from '../../src/rpc/index.ts'
import {
  ascii,
  conformant,
  counted,
  enumeration,
  guid,
  handle,
  hyper,
  i32,
  input,
  type Kind,
  kind,
  list,
  octets,
  optional,
  output,
  prefixed,
  type Sample,
  special,
  status,
  string,
  struct,
  u16,
  u32,
  u8,
  whole,
  words,
} from './ndr-kinds.ts'

const { idl } = t

// librpc/idl/rpcecho.idl of Samba 4.17: every operation, both directions.
const enum1 = enumeration({ one: 1, two: 2 })
const enum2 = struct('echo.Enum2', { e1: enum1, e2: enumeration({ one: 1, two: 2 }, 32) })
const enums = {
  foo1: enum1.type,
  foo2: enum2.type,
  foo3: idl.union(enum1.type as never, { one: enum1.type, two: enum2.type }, { switchIs: 'foo1' }),
}
const enumPairs = fc.oneof(
  ...[enum1, enum2].map((arm, i) =>
    fc.tuple(enum2.pairs, arm.pairs).map(([second, third]) => ({
      ours: { foo1: ['one', 'two'][i], foo2: second.ours, foo3: { case: ['one', 'two'][i], value: third.ours } },
      samba: { foo1: i + 1, foo2: second.samba, foo3: third.samba },
    })),
  ),
)
const infos: Kind[] = [
  struct('echo.info1', { v: u8 }),
  struct('echo.info2', { v: u16 }),
  struct('echo.info3', { v: u32 }),
  struct('echo.info4', { v: hyper }),
  struct('echo.info5', { v1: u8, v2: hyper }),
  struct('echo.info6', { v1: u8, info1: struct('echo.info1', { v: u8 }) }),
  struct('echo.info7', { v1: u8, info4: struct('echo.info4', { v: hyper }) }),
]
const info = idl.union(t.uint16, Object.fromEntries(infos.map(({ type }, i) => [i + 1, type])))
const surrounding = conformant('echo.Surrounding', {}, 'x', 'surrounding', u16)
const pointer = (value: unknown): unknown => ({ $: 'base.ndr_pointer', $of: value })

/** `[in] uint32 len, [in, size_is(len)] uint8 NAME[]`. */
function sized(name: string, attribute: string): Sample {
  const pairs = octets.map((data) => ({
    ours: { len: data.length, data },
    samba: { in_len: data.length, [attribute]: [...data] },
  }))
  return special(name, 'in', { len: t.uint32, data: idl.bytes({ size: 'len' }) }, pairs)
}

/** `[out, size_is(len)] uint8 NAME[]`, where `len` is an argument. */
function sizedByArgument(name: string, attribute: string): Sample {
  const pairs = octets.map((data) => ({ ours: { data }, samba: { in_len: data.length, [attribute]: [...data] } }))
  return special(name, 'out', { data: idl.bytes({ size: true }) }, pairs)
}

const echo: Sample[] = [
  input('echo.AddOne', { in_data: u32 }),
  output('echo.AddOne', { out_data: u32 }),
  sized('echo.EchoData', 'in_in_data'),
  sizedByArgument('echo.EchoData', 'out_out_data'),
  sized('echo.SinkData', 'in_data'),
  input('echo.SourceData', { len: u32 }),
  sizedByArgument('echo.SourceData', 'out_data'),
  input('echo.TestCall', { s1: string }),
  output('echo.TestCall', { s2: optional(string) }),
  input('echo.TestCall2', { level: u16 }),
  ...infos.map(({ pairs }, i) =>
    special(
      'echo.TestCall2',
      'out',
      { info },
      fc.tuple(pairs, status.pairs).map(([arm, result]) => ({
        ours: { info: { case: i + 1, value: arm.ours }, result: result.ours },
        samba: { in_level: i + 1, out_info: arm.samba, result: result.samba },
      })),
      idl.status,
    ),
  ),
  input('echo.TestSleep', { seconds: u32 }),
  output('echo.TestSleep', {}, u32),
  special(
    'echo.TestEnum',
    'in',
    enums,
    enumPairs.map(({ ours, samba }) => ({ ours, samba: prefixed('in_', samba) })),
  ),
  special(
    'echo.TestEnum',
    'out',
    enums,
    enumPairs.map(({ ours, samba }) => ({ ours, samba: prefixed('out_', samba) })),
  ),
  input('echo.TestSurrounding', { data: surrounding }),
  output('echo.TestSurrounding', { data: surrounding }),
  special(
    'echo.TestDoublePointer',
    'in',
    { data: idl.box(t.optional(t.uint16)) },
    fc.option(fc.option(fc.nat(0xffff), { nil: undefined })).map((value) => ({
      ours: { data: value === null ? undefined : { value } },
      samba: { in_data: value === null ? null : pointer(value ?? null) },
    })),
  ),
  output('echo.TestDoublePointer', {}, u16),
]

// librpc/idl/srvsvc.idl, wkssvc.idl: unions of unique pointers beside their discriminant, arrays of structs with strings.
const share0 = struct('srvsvc.NetShareInfo0', { name: optional(string) })
const share1 = struct('srvsvc.NetShareInfo1', { name: optional(string), type: u32, comment: optional(string) })
const shares = [
  counted('srvsvc.NetShareCtr0', share0, 'count', 'array'),
  counted('srvsvc.NetShareCtr1', share1, 'count', 'array'),
].map(optional)
const shareControl: Kind = {
  type: t.struct({
    level: t.uint32,
    ctr: idl.union(t.uint32, { 0: shares[0]!.type, 1: shares[1]!.type }, { switchIs: 'level', fallback: t.void }),
  }),
  pairs: fc.oneof(
    ...shares.map(({ pairs }, level) =>
      pairs.map(({ ours, samba }) => ({
        ours: { level, ctr: { case: level, value: ours } },
        samba: { $: 'srvsvc.NetShareInfoCtr', level, ctr: samba },
      })),
    ),
  ),
}
const transport: Kind = {
  type: t.struct({
    vcs: t.uint32,
    name: t.optional(t.string),
    addr: t.optional(idl.bytes({ size: 'addr_len' })),
    addr_len: t.uint32,
    net_addr: t.optional(t.string),
  }),
  pairs: fc.tuple(u32.pairs, words, octets, optional(string).pairs).map(([vcs, name, addr, net]) => ({
    ours: { vcs: vcs.ours, name, addr, addr_len: addr.length, net_addr: net.ours },
    samba: {
      $: 'srvsvc.NetTransportInfo0',
      vcs: vcs.samba,
      name,
      addr_len: addr.length,
      addr: [...addr],
      net_addr: net.samba,
    },
  })),
}
const transportList = optional(counted('srvsvc.NetTransportCtr0', transport, 'count', 'array'))
const transportControl: Kind = {
  type: t.struct({ level: t.uint32, ctr: idl.union(t.uint32, { 0: transportList.type }, { switchIs: 'level' }) }),
  pairs: transportList.pairs.map(({ ours, samba }) => ({
    ours: { level: 0, ctr: { case: 0, value: ours } },
    samba: { $: 'srvsvc.NetTransportInfoCtr', level: 0, ctr: samba },
  })),
}
const remoteTime = struct('srvsvc.NetRemoteTODInfo', {
  ...{ elapsed: u32, msecs: u32, hours: u32, mins: u32, secs: u32, hunds: u32, timezone: i32, tinterval: u32 },
  ...{ day: u32, month: u32, year: u32, weekday: u32 },
})
const workstation = struct('wkssvc.NetWkstaInfo100', {
  platform_id: enumeration({ dos: 300, os2: 400, nt: 500 }, 32),
  ...{ server_name: optional(string), domain_name: optional(string), version_major: u32, version_minor: u32 },
})

const services: Sample[] = [
  input('srvsvc.NetShareEnumAll', {
    ...{ server_unc: optional(string), info_ctr: shareControl, max_buffer: u32, resume_handle: optional(u32) },
  }),
  output('srvsvc.NetShareEnumAll', { info_ctr: shareControl, totalentries: u32, resume_handle: optional(u32) }, status),
  input('srvsvc.NetRemoteTOD', { server_unc: optional(string) }),
  output('srvsvc.NetRemoteTOD', { info: optional(remoteTime) }, status),
  input('srvsvc.NetTransportEnum', {
    server_unc: optional(string),
    transports: transportControl,
    max_buffer: u32,
    resume_handle: optional(u32),
  }),
  input('wkssvc.NetWkstaGetInfo', { server_name: optional(string), level: u32 }),
  special(
    'wkssvc.NetWkstaGetInfo',
    'out',
    { info: idl.union(t.uint32, { 100: t.optional(workstation.type) }, { fallback: t.void }) },
    fc.tuple(optional(workstation).pairs, status.pairs).map(([arm, result]) => ({
      ours: { info: { case: 100, value: arm.ours }, result: result.ours },
      samba: { in_level: 100, out_info: arm.samba, result: result.samba },
    })),
    idl.status,
  ),
]

// librpc/idl/lsa.idl, samr.idl, security.idl: counted text without NUL, conformant structures behind pointers, fixed arrays.
const lsaString: Kind = kind(
  t.struct({
    length: t.uint16,
    size: t.uint16,
    string: t.optional(idl.text(16, { size: 'size / 2', length: 'length / 2' })),
  }),
  fc.option(words, { nil: undefined }).map((value) => {
    const length = 2 * (value ?? '').length
    return { length, size: length, string: value }
  }),
  ({ string: value }) => ({ $: 'lsa.String', string: value ?? null }),
)
const asciiString: Kind = kind(
  t.struct({
    length: t.uint16,
    size: t.uint16,
    string: t.optional(idl.text(8, { size: 'size', length: 'length' })),
  }),
  ascii.map((value) => ({ length: value.length, size: value.length, string: value })),
  ({ string: value }) => ({ $: 'lsa.AsciiString', string: value }),
)
const sid: Kind = kind(
  t.struct({
    revision: t.uint8,
    count: t.uint8,
    authority: idl.bytes({ fixed: 6 }),
    parts: idl.array(t.uint32, { size: 'count' }),
  }),
  fc
    .tuple(fc.nat(0xffff), fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 15 }))
    .map(([authority, parts]) => ({
      revision: 1,
      count: parts.length,
      authority: Uint8Array.of(0, 0, 0, 0, authority >> 8, authority & 0xff),
      parts,
    })),
  ({ authority, parts }) => ({
    $: 'security.dom_sid',
    $of: ['S-1', authority[4]! * 256 + authority[5]!, ...parts].join('-'),
  }),
)
const sids: Kind = counted('lsa.SidArray', struct('lsa.SidPtr', { sid: optional(sid) }), 'num_sids', 'sids')
const names = list(lsaString)
const translated = struct('lsa.TranslatedName', { sid_type: u16, name: lsaString, sid_index: u32 })

const accounts: Sample[] = [
  whole('lsa.String', lsaString),
  whole('lsa.AsciiString', asciiString),
  whole('lsa.SidArray', sids),
  input('lsa.LookupSids', {
    handle,
    sids,
    names: counted('lsa.TransNameArray', translated, 'count', 'names'),
    level: u16,
    count: u32,
  }),
  whole('samr.Password', passwordOf('samr.Password', 'hash', 16)),
  whole('netlogon.netr_Credential', passwordOf('netlogon.netr_Credential', 'data', 8)),
  special(
    'samr.LookupNames',
    'in',
    { handle: idl.handle, count: t.uint32, names: idl.array(lsaString.type, { size: '1000', length: 'count' }) },
    fc.tuple(handle.pairs, names).map(([domain, all]) => ({
      ours: { handle: domain.ours, count: all.ours.length, names: all.ours },
      samba: { in_domain_handle: domain.samba, in_num_names: all.ours.length, in_names: all.samba },
    })),
  ),
]

function passwordOf(name: string, attribute: string, length: number): Kind {
  const values = fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ [attribute]: data }))
  return kind(t.struct({ [attribute]: idl.bytes({ fixed: length }) }), values, (value) => ({
    $: name,
    [attribute]: [...value[attribute]!],
  }))
}

// librpc/idl/mgmt.idl, drsuapi.idl, winreg.idl, misc.idl: ranges, hypers in conformant structures, counts behind pointers.
const syntax = struct('misc.ndr_syntax_id', { uuid: guid, if_version: u32 })
const value = octets.chain((data) => fc.nat(20).map((more) => ({ data, size: data.length + more })))

const others: Sample[] = [
  whole('misc.GUID', guid),
  whole('misc.policy_handle', handle),
  whole('misc.ndr_syntax_id', syntax),
  output(
    'mgmt.inq_if_ids',
    {
      if_id_vector: optional(
        conformant('mgmt.rpc_if_id_vector_t', {}, 'count', 'if_id', pointed('mgmt.ndr_syntax_id_p', 'id', syntax)),
      ),
    },
    status,
  ),
  output('mgmt.inq_stats', { statistics: conformant('mgmt.statistics', {}, 'count', 'statistics', u32) }, status),
  special(
    'winreg.QueryValue',
    'in',
    {
      handle: idl.handle,
      name: t.struct({ name_len: t.uint16, name_size: t.uint16, name: t.optional(t.string) }),
      type: t.optional(t.uint32),
      data: t.optional(idl.bytes({ size: 'size', length: 'length' })),
      size: t.optional(t.uint32),
      length: t.optional(t.uint32),
    },
    fc.tuple(handle.pairs, words, value).map(([key, name, { data, size }]) => ({
      ours: {
        handle: key.ours,
        name: { name_len: 2 * name.length + 2, name_size: 2 * name.length + 2, name },
        type: 3,
        data,
        size,
        length: data.length,
      },
      samba: {
        in_handle: key.samba,
        in_value_name: { $: 'winreg.String', name },
        in_type: 3,
        in_data_size: size,
        in_data_length: data.length,
        in_data: [...data, ...new Array<number>(size - data.length).fill(0)],
      },
    })),
  ),
]

// librpc/idl/dnsserver.idl: 8-bit strings and a union of a number, a structure and a conformant structure.
const string8 = kind(idl.string8, ascii)
const operands: Readonly<Record<number, Kind>> = {
  1: u32,
  4: optional(conformant('dnsserver.IP4_ARRAY', {}, 'AddrCount', 'AddrArray', u32)),
  9: optional(
    struct('dnsserver.DNS_RPC_ZONE_W2K', { pszZoneName: optional(string), Flags: u32, ZoneType: u8, Version: u8 }),
  ),
}
const operandTypes = Object.fromEntries(Object.entries(operands).map(([id, { type }]) => [id, type]))

function operation(id: number, operand: Kind): Sample {
  return special(
    'dnsserver.DnssrvOperation',
    'in',
    {
      server: t.optional(t.string),
      zone: t.optional(idl.string8),
      context: t.uint32,
      operation: t.optional(idl.string8),
      type: t.uint32,
      data: idl.union(t.uint32, operandTypes, { switchIs: 'type' }),
    },
    fc
      .tuple(optional(string).pairs, optional(string8).pairs, optional(string8).pairs, u32.pairs, operand.pairs)
      .map(([server, zone, name, context, data]) => ({
        ours: {
          ...{ server: server.ours, zone: zone.ours, context: context.ours, operation: name.ours, type: id },
          data: { case: id, value: data.ours },
        },
        samba: prefixed('in_', {
          ...{ pwszServerName: server.samba, pszZone: zone.samba, dwContext: context.samba },
          ...{ pszOperation: name.samba, dwTypeId: id, pData: data.samba },
        }),
      })),
  )
}

// librpc/idl/drsuapi.idl: a conformant structure whose items are aligned to 8.
const cursor = struct('drsuapi.DsReplicaCursor', { source_dsa_invocation_id: guid, highest_usn: hyper })
const cursorList: Kind = {
  type: t.struct({ count: t.uint32, reserved: t.uint32, array: idl.array(cursor.type, { size: 'count' }) }),
  pairs: fc.tuple(u32.pairs, list(cursor)).map(([reserved, { ours, samba }]) => ({
    ours: { count: ours.length, reserved: reserved.ours, array: ours },
    samba: { $: 'drsuapi.DsReplicaCursorCtr', count: ours.length, reserved: reserved.samba, array: samba },
  })),
}
const cursors = optional(cursorList)
const hours: Kind = kind(
  t.struct({ units_per_week: t.uint16, bits: t.optional(idl.bytes({ size: '1260', length: 'units_per_week / 8' })) }),
  octets.map((bits) => ({ units_per_week: bits.length * 8, bits })),
  ({ units_per_week, bits }) => ({ $: 'samr.LogonHours', units_per_week, bits: [...bits] }),
)

const rest: Sample[] = [
  ...Object.entries(operands).map(([id, operand]) => operation(Number(id), operand)),
  special(
    'drsuapi.DsReplicaGetInfo',
    'out',
    { type: t.uint32, info: idl.union(t.uint32, { 1: cursors.type }, { switchIs: 'type' }) },
    fc.tuple(cursors.pairs, status.pairs).map(([arm, result]) => ({
      ours: { type: 1, info: { case: 1, value: arm.ours }, result: result.ours },
      samba: { out_info_type: 1, out_info: arm.samba, result: result.samba },
    })),
    idl.status,
  ),
  special(
    'mgmt.inq_princ_name',
    'out',
    { name: idl.string8 },
    fc.tuple(ascii, status.pairs).map(([name, result]) => ({
      ours: { name, result: result.ours },
      samba: { in_princ_name_size: name.length + 1, out_princ_name: name, result: result.samba },
    })),
    idl.status,
  ),
  whole('samr.LogonHours', hours),
]

function pointed(name: string, attribute: string, target: Kind): Kind {
  const { type, pairs } = optional(target)
  return { type, pairs: pairs.map(({ ours, samba }) => ({ ours, samba: { $: name, [attribute]: samba } })) }
}

export const SAMPLES: readonly Sample[] = [...echo, ...services, ...accounts, ...others, ...rest]
