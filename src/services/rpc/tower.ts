import type { InterfaceId } from '../../rpc/index.ts'

/** Where an interface is served: what a protocol tower says (C706 appendix L, MS-RPCE 2.2.1.2.4 ff). */
export interface Tower {
  readonly interface: InterfaceId
  readonly transfer: InterfaceId
  readonly endpoint: Endpoint
}

export type Endpoint =
  /** `ncacn_ip_tcp`. */
  | { readonly protocol: 'tcp'; readonly port: number; readonly address: string }
  /** `ncacn_np`: a pipe of a host. */
  | { readonly protocol: 'pipe'; readonly name: string; readonly host: string }
  /** `ncalrpc`, and everything else: by the identifier of its last floor, which holds a text or nothing. */
  | { readonly protocol: 'other'; readonly id: number; readonly text: string }

/** Protocol identifiers, the first octet of a floor (C706 appendix I). */
const FLOOR = { UUID: 0x0d, CONNECTION: 0x0b, LOCAL: 0x0c, TCP: 0x07, IP: 0x09, PIPE: 0x0f, NETBIOS: 0x11 } as const

interface Floor {
  readonly id: number
  readonly left: Buffer
  readonly right: Buffer
}

/** Floors of a tower: more than any protocol has (our choice). */
const MAX_FLOORS = 16

export function encodeTower({ interface: id, transfer, endpoint }: Tower): Uint8Array {
  const floors = [syntaxFloor(id), syntaxFloor(transfer), ...endpointFloors(endpoint)]
  const parts: Buffer[] = [u16(floors.length)]
  for (const { id: protocol, left, right } of floors) {
    parts.push(u16(left.length + 1), Buffer.of(protocol), left, u16(right.length), right)
  }
  return Buffer.concat(parts)
}

/** Reads a tower; `undefined` for bytes that are none. */
export function decodeTower(bytes: Uint8Array): Tower | undefined {
  const floors = readFloors(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  const [first, second, third, fourth, fifth] = floors ?? []
  const [id, transfer] = [readSyntax(first), readSyntax(second)]
  if (id === undefined || transfer === undefined || third === undefined) return undefined
  return { interface: id, transfer, endpoint: readEndpoint(third, fourth, fifth) }
}

function readEndpoint(third: Floor, fourth: Floor | undefined, fifth: Floor | undefined): Endpoint {
  if (third.id === FLOOR.CONNECTION && fourth?.id === FLOOR.TCP && fourth.right.length === 2) {
    const address = fifth?.id === FLOOR.IP && fifth.right.length === 4 ? [...fifth.right].join('.') : '0.0.0.0'
    return { protocol: 'tcp', port: fourth.right.readUInt16BE(), address }
  }
  if (third.id === FLOOR.CONNECTION && fourth?.id === FLOOR.PIPE) {
    return { protocol: 'pipe', name: text(fourth.right), host: fifth === undefined ? '' : text(fifth.right) }
  }
  const last = fourth ?? third
  return { protocol: 'other', id: last.id, text: text(last.right) }
}

function endpointFloors(endpoint: Endpoint): Floor[] {
  const connection = floor(FLOOR.CONNECTION, u16(0))
  switch (endpoint.protocol) {
    case 'tcp': {
      const port = Buffer.alloc(2)
      port.writeUInt16BE(endpoint.port)
      const address = Buffer.from(endpoint.address.split('.').map(Number))
      return [connection, floor(FLOOR.TCP, port), floor(FLOOR.IP, address)]
    }
    case 'pipe':
      return [connection, floor(FLOOR.PIPE, terminated(endpoint.name)), floor(FLOOR.NETBIOS, terminated(endpoint.host))]
    case 'other':
      return [floor(FLOOR.LOCAL, u16(0)), floor(endpoint.id, terminated(endpoint.text))]
  }
}

/** An interface or transfer syntax: UUID and major version on the left, minor version on the right. */
function syntaxFloor({ uuid, major, minor }: InterfaceId): Floor {
  return {
    id: FLOOR.UUID,
    left: Buffer.concat([swapped(Buffer.from(uuid.replaceAll('-', ''), 'hex')), u16(major)]),
    right: u16(minor),
  }
}

function readSyntax(from: Floor | undefined): InterfaceId | undefined {
  if (from?.id !== FLOOR.UUID || from.left.length !== 18 || from.right.length < 2) return undefined
  const hex = swapped(Buffer.from(from.left.subarray(0, 16))).toString('hex')
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  return { uuid, major: from.left.readUInt16LE(16), minor: from.right.readUInt16LE() }
}

function readFloors(bytes: Buffer): Floor[] | undefined {
  if (bytes.length < 2) return undefined
  const count = bytes.readUInt16LE()
  if (count > MAX_FLOORS) return undefined
  const floors: Floor[] = []
  let at = 2
  const part = (): Buffer | undefined => {
    if (at + 2 > bytes.length) return undefined
    const from = at + 2
    at = from + bytes.readUInt16LE(at)
    return at > bytes.length ? undefined : bytes.subarray(from, at)
  }
  for (let i = 0; i < count; i++) {
    const [left, right] = [part(), part()]
    if (left === undefined || right === undefined || left[0] === undefined) return undefined
    floors.push({ id: left[0], left: left.subarray(1), right })
  }
  return floors
}

/** The first three fields of a UUID between text order and little-endian, in place. */
function swapped(uuid: Buffer): Buffer {
  uuid.subarray(0, 4).reverse()
  uuid.subarray(4, 6).reverse()
  uuid.subarray(6, 8).reverse()
  return uuid
}

function floor(id: number, right: Buffer): Floor {
  return { id, left: Buffer.alloc(0), right }
}

function u16(value: number): Buffer {
  return Buffer.of(value & 0xff, value >> 8)
}

function terminated(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'latin1')
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}
