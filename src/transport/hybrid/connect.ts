import { BusbarError, escapePeerText } from '../../errors/index.ts'
import { type ByteLink, type Env, PrefixedLink, unwatchSignal, watchSignal } from '../../link/index.ts'
import { HYBRID_LIMITS } from '../limits.ts'
import { connectUnix } from '../socket/connect.ts'
import { LineReader } from './line.ts'

export interface HybridConnectOptions {
  readonly env: Env
  /** Gives up with `DEADLINE` after this many `ms`, from the call to the `OK`. Default 5,000. */
  readonly timeoutMs?: number
  /** Gives up with `CANCELLED` when it aborts. */
  readonly signal?: AbortSignal
}

/**
 * Connects to a guest's vsock `port` through the Unix socket at `path` that Firecracker, Cloud Hypervisor, vhost-device-vsock and openvmm
 * offer. Rejects with `NOT_READY` (nobody listens in the guest, or the monitor is at its limit: it closes without a word), `DEADLINE`,
 * `CANCELLED`, `MALFORMED` (that socket speaks something else), `INVALID_ARGUMENT`, or as `connectUnix` does.
 */
export async function connectHybridVsock(path: string, port: number, options: HybridConnectOptions): Promise<ByteLink> {
  checkPort(port)
  const { env, signal } = options
  const timeoutMs = options.timeoutMs ?? HYBRID_LIMITS.timeoutMs
  const abort = new AbortController()
  let link: ByteLink | undefined
  const giveUp = (reason: BusbarError): void => {
    abort.abort(reason)
    link?.close(reason)
  }
  const timer = env.timer(timeoutMs, () => {
    giveUp(
      new BusbarError('DEADLINE', `vsock port ${port} of ${path} gave no answer in ${timeoutMs} ms`, {
        stage: 'connect',
      }),
    )
  })
  const cancelled = (): void => {
    giveUp(
      new BusbarError('CANCELLED', `connecting to vsock port ${port} was cancelled`, {
        cause: signal?.reason,
        stage: 'connect',
      }),
    )
  }
  if (signal?.aborted) cancelled()
  else if (signal !== undefined) watchSignal(signal, cancelled)
  try {
    link = await connectUnix(path, { signal: abort.signal })
    return await handshake(link, path, port)
  } catch (thrown) {
    const reason = abort.signal.aborted ? BusbarError.from(abort.signal.reason) : why(thrown, path, port)
    link?.close(reason)
    throw reason
  } finally {
    timer.cancel()
    if (signal !== undefined) unwatchSignal(signal, cancelled)
  }
}

/** One write with the whole line, then nothing until `OK`: each of the implementations loses or refuses what comes in other ways. */
async function handshake(link: ByteLink, path: string, port: number): Promise<ByteLink> {
  const reader = new LineReader(HYBRID_LIMITS.line)
  await link.write(Buffer.from(`CONNECT ${port}\n`, 'latin1'))
  for (;;) {
    const chunk = await link.read()
    if (chunk === undefined) throw refused(path, port)
    const line = reader.push(chunk)
    if (line === undefined) continue
    // The number is the host's port on one implementation, the guest's on others: it means nothing here.
    if (!/^ok [0-9a-z-]+$/i.test(line)) {
      throw new BusbarError(
        'MALFORMED',
        `${path} answered CONNECT with "${escapePeerText(line)}" where "OK <number>" was expected`,
        {
          stage: 'connect',
        },
      )
    }
    return new PrefixedLink(reader.rest(), link)
  }
}

/** A monitor that closes without reading the request breaks the socket instead of ending it: refused as well. */
function why(thrown: unknown, path: string, port: number): BusbarError {
  const reason = BusbarError.from(thrown)
  return reason.code === 'LINK_LOST' && reason.stage === undefined ? refused(path, port, reason) : reason
}

function refused(path: string, port: number, cause?: BusbarError): BusbarError {
  return new BusbarError(
    'NOT_READY',
    `${path} closed before it answered: nobody listens on vsock port ${port} in the guest`,
    {
      stage: 'connect',
      cause,
      hints: [
        'Try again when the guest has started its listener.',
        'If it has, the monitor may have reached its limit of connections (1,023 on Firecracker).',
      ],
    },
  )
}

/** Throws `INVALID_ARGUMENT` unless `port` is a vsock port number. */
export function checkPort(port: number): void {
  // 2^32 - 1 means "any port" to the kernel (`VMADDR_PORT_ANY`).
  if (Number.isInteger(port) && port >= 0 && port < 0xffff_ffff) return
  throw new BusbarError('INVALID_ARGUMENT', `a vsock port is an integer from 0 to 4294967294, not ${port}`)
}
