import { BusbarError } from '../../errors/index.ts'

interface PduRow {
  /** `ptype` in the common header. */
  readonly number: number
  readonly sender: 'client' | 'server'
  /** Fixed fields behind the common header, in order, each `type name`; `pad` is zero and ignored. */
  readonly fields: string
  /** What follows them. */
  readonly rest: string
}

/**
 * Every connection-oriented PDU (C706 12.6.4, MS-RPCE 2.2.2). Numbers and layouts are fixed by the protocol; sizes and
 * offsets are computed from here, and so are the decoder's checks and the table in `docs/protocol/rpc.md`.
 */
export const PDUS = {
  request: {
    number: 0,
    sender: 'client',
    fields: 'u32 alloc_hint, u16 context_id, u16 opnum',
    rest: '[object uuid], stub',
  },
  response: {
    number: 2,
    sender: 'server',
    fields: 'u32 alloc_hint, u16 context_id, u8 cancel_count, u8 pad',
    rest: 'stub',
  },
  fault: {
    number: 3,
    sender: 'server',
    fields: 'u32 alloc_hint, u16 context_id, u8 cancel_count, u8 flags, u32 status, u32 pad',
    rest: '[stub]',
  },
  bind: {
    number: 11,
    sender: 'client',
    fields: 'u16 max_xmit_frag, u16 max_recv_frag, u32 assoc_group_id',
    rest: 'contexts',
  },
  bind_ack: {
    number: 12,
    sender: 'server',
    fields: 'u16 max_xmit_frag, u16 max_recv_frag, u32 assoc_group_id',
    rest: 'secondary address, results',
  },
  bind_nak: { number: 13, sender: 'server', fields: 'u16 reason', rest: '[versions]' },
  alter_context: {
    number: 14,
    sender: 'client',
    fields: 'u16 max_xmit_frag, u16 max_recv_frag, u32 assoc_group_id',
    rest: 'contexts',
  },
  alter_context_resp: {
    number: 15,
    sender: 'server',
    fields: 'u16 max_xmit_frag, u16 max_recv_frag, u32 assoc_group_id',
    rest: 'secondary address, results',
  },
  auth3: { number: 16, sender: 'client', fields: '', rest: 'pad, auth trailer' },
  shutdown: { number: 17, sender: 'server', fields: '', rest: '' },
  co_cancel: { number: 18, sender: 'client', fields: '', rest: '[auth trailer]' },
  orphaned: { number: 19, sender: 'client', fields: '', rest: '[auth trailer]' },
} as const

export type PduName = keyof typeof PDUS

/** Common header in front of every PDU, `bytes` (C706 12.6.3.1). */
export const HEADER_BYTES = 16

const WIDTHS: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4 }

const rows: Record<PduName, PduRow> = PDUS

/** Fixed fields of a PDU with their offsets from its start, `bytes`; the last entry is where they end. */
function layout(name: PduName): [field: string, at: number][] {
  const offsets: [string, number][] = []
  let at = HEADER_BYTES
  for (const each of rows[name].fields.split(', ').filter((text) => text !== '')) {
    const [type = '', field = ''] = each.split(' ')
    const width = WIDTHS[type]
    if (width === undefined) throw new BusbarError('INTERNAL', `PDU table: "${each}" in ${name}`)
    offsets.push([field, at])
    at += width
  }
  offsets.push(['', at])
  return offsets
}

/** Common header and fixed fields of a PDU, `bytes`. */
export function fixedBytes(name: PduName): number {
  return layout(name).at(-1)?.[1] ?? HEADER_BYTES
}

/** Offset of a fixed field from the start of the PDU, `bytes`. */
export function offsetOf(name: PduName, field: string): number {
  const found = layout(name).find(([each]) => each === field)
  if (found === undefined) throw new BusbarError('INTERNAL', `PDU table: ${name} has no ${field}`)
  return found[1]
}

export interface KnownPdu {
  readonly name: PduName
  readonly sender: 'client' | 'server'
  /** Common header and fixed fields, `bytes`. */
  readonly least: number
}

/** By `ptype`: the holes are the connectionless PDUs and RTS, which a pipe never carries. */
export const PDU_BY_NUMBER: readonly (KnownPdu | undefined)[] = Array.from({ length: 20 }, (_, number) => {
  const name = (Object.keys(PDUS) as PduName[]).find((each) => rows[each].number === number)
  return name === undefined ? undefined : { name, sender: rows[name].sender, least: fixedBytes(name) }
})

/** The name of a `ptype` for messages and traces. */
export function pduName(number: number): string {
  return PDU_BY_NUMBER[number]?.name ?? `PDU type ${number}`
}
