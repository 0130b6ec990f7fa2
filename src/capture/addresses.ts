import { guidFromName, guidToBytes } from '../bytes/index.ts'

/** Namespace of the addresses that follow from names. Our choice: random once. */
const NAMESPACE = '5d0c9b52-0a0e-4a0f-8a3c-6f1be2a4c871'
/**
 * Ports for services and for callers, both in ranges for which Wireshark 4.0 has no dissector by number, so that its
 * heuristics look at the bytes (our choice; `tshark -G decodes` lists 57000 between them).
 */
const SERVICE_PORTS = { first: 50_000, count: 6_000 }
const CALLER_PORTS = { first: 58_000, count: 7_500 }

/**
 * The addresses of a capture: a partition has one in 10.0.0.0/8 and a service a port, both made from the name, so that
 * they are the same in every capture. Each pipe has a port of its own on the caller's side.
 */
export class Addresses {
  readonly #byName = new Map<string, Uint8Array>()
  readonly #taken = new Set<number>()
  #pipes = 0

  /** The IPv4 address of a partition. Two names that would have the same one get neighbours. */
  of(partition: string): Uint8Array {
    const known = this.#byName.get(partition)
    if (known !== undefined) return known
    let number = hash(`partition ${partition}`) & 0xff_ffff
    while (this.#taken.has(number) || (number & 0xff) === 0 || (number & 0xff) === 0xff)
      number = (number + 1) & 0xff_ffff
    this.#taken.add(number)
    const address = new Uint8Array([10, number >> 16, (number >> 8) & 0xff, number & 0xff])
    this.#byName.set(partition, address)
    return address
  }

  /** The port of a service. Two services may share one: a pipe is told apart by its caller's port. */
  portOf(service: string): number {
    return SERVICE_PORTS.first + (hash(`service ${service}`) % SERVICE_PORTS.count)
  }

  /** The caller's port of the next pipe. */
  nextPort(): number {
    return CALLER_PORTS.first + (this.#pipes++ % CALLER_PORTS.count)
  }
}

function hash(text: string): number {
  const bytes = guidToBytes(guidFromName(NAMESPACE, text))
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
