import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Carrier, CarrierListener } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { ByteLink, Env } from '../link/index.ts'
import { type BusyPoller, listenUnix, type UnixListener } from '../transport/index.ts'

/**
 * Where programs of this host that run as partitions dial the sockets of their channels. Who a program is, the descriptor that it
 * inherited says; that a socket is its own, the token says that it was told over that descriptor.
 */
export class ProcessChannels implements AsyncDisposable {
  readonly #carriers: CarrierListener
  readonly #directory: string
  readonly #listener: UnixListener

  private constructor(carriers: CarrierListener, directory: string, listener: UnixListener) {
    this.#carriers = carriers
    this.#directory = directory
    this.#listener = listener
  }

  /** Rejects when the socket cannot be listened on. */
  static async open(env: Env, poller: BusyPoller): Promise<ProcessChannels> {
    const onCarrier = (carrier: Carrier): void => {
      carrier.close(new BusbarError('DENIED', 'this socket is for the channels of programs that are attached already'))
    }
    const carriers = new CarrierListener({ env, onCarrier })
    // Short, because the path of a socket is; and only the owner can look inside.
    const directory = await mkdtemp(join(tmpdir(), 'busbar-'))
    try {
      const listener = await listenUnix(join(directory, 's'), { onLink: (link) => carriers.accept(link), poller })
      return new ProcessChannels(carriers, directory, listener)
    } catch (thrown) {
      await rm(directory, { recursive: true, force: true })
      throw thrown
    }
  }

  /** Path of the socket, told in `BUSBAR_CHANNELS`. */
  get path(): string {
    return this.#listener.path
  }

  /** The session of a program, by the bus's end of its descriptor. Takes the link. */
  carrier(control: ByteLink): Carrier {
    return this.#carriers.adopt(control)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
    await rm(this.#directory, { recursive: true, force: true })
  }
}
