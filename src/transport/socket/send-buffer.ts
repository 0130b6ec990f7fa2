import type net from 'node:net'

/** Numbers of Linux (`include/uapi/asm-generic/socket.h`), the same on x86-64 and arm64. */
const SOL_SOCKET = 1
const SO_SNDBUF = 7
/** An `int`, `bytes`. */
const INT = 4

interface SocketOptions {
  get(fd: number, level: number, option: number, value: number[], length: number[]): number
  set(fd: number, level: number, option: number, value: number[], length: number): number
}

/**
 * How much the kernel holds of what a socket has written. A Unix socket that is full wakes its writer only when three quarters of it are empty again: with
 * packets of 64 KiB and what Linux gives each socket, when the reader has nothing left to read. Node has no word for it, so this takes koffi, which is
 * optional: without it, or on another system, nothing changes.
 */
export class SendBuffer {
  static #options: Promise<SocketOptions | undefined> | undefined
  /** Sockets of this process whose buffers are wide. */
  static #wide = 0
  readonly #socket: net.Socket
  readonly #bytes: number
  readonly #most: number
  #loaded: SocketOptions | undefined
  #wanted = false
  /** What it was before, while it is wide. */
  #before: number | undefined

  /** `bytes` to ask for, of which Linux makes twice as many; so many sockets at `most` may have them at once. */
  constructor(socket: net.Socket, bytes: number, most: number) {
    this.#socket = socket
    this.#bytes = bytes
    this.#most = most
    socket.once('close', () => this.#over())
  }

  /** Settles when it is, or cannot be. */
  async widen(): Promise<void> {
    if (this.#wanted) return
    this.#wanted = true
    SendBuffer.#options ??= loadOptions()
    this.#loaded = await SendBuffer.#options
    const fd = this.#fd
    if (this.#loaded === undefined || fd < 0 || !this.#wanted || this.#before !== undefined) return
    if (SendBuffer.#wide >= this.#most) {
      // Whoever asks again may find a place.
      this.#wanted = false
      return
    }
    const value = [0]
    // It tells twice what was asked for.
    if (this.#loaded.get(fd, SOL_SOCKET, SO_SNDBUF, value, [INT]) !== 0) return
    if ((value[0] as number) >= 2 * this.#bytes) return
    if (this.#loaded.set(fd, SOL_SOCKET, SO_SNDBUF, [this.#bytes], INT) !== 0) return
    this.#before = value[0]
    SendBuffer.#wide++
  }

  /** Back to what it was; what is in it stays there. */
  narrow(): void {
    const before = this.#before
    this.#over()
    if (before !== undefined && this.#fd >= 0) this.#loaded?.set(this.#fd, SOL_SOCKET, SO_SNDBUF, [before / 2], INT)
  }

  get #fd(): number {
    const { _handle: handle } = this.#socket as unknown as { _handle: { readonly fd?: number } | null }
    return handle?.fd ?? -1
  }

  #over(): void {
    this.#wanted = false
    if (this.#before === undefined) return
    this.#before = undefined
    SendBuffer.#wide--
  }
}

async function loadOptions(): Promise<SocketOptions | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  try {
    const libc = (await import('koffi')).load(null)
    return {
      get: libc.func('int getsockopt(int fd, int level, int option, _Out_ int *value, _Inout_ uint *length)'),
      set: libc.func('int setsockopt(int fd, int level, int option, int *value, uint length)'),
    } as unknown as SocketOptions
  } catch {
    return undefined
  }
}
