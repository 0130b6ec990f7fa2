import type { Duplex } from 'node:stream'

/** QEMU's control connection (QMP: one JSON object a line), as far as launching needs it. */
export interface QemuMonitor {
  /** Settles when QEMU has built its machine; `false` when it ended before that. */
  readonly ready: Promise<boolean>
  /** Why the machine ended, once QEMU told: `guest-shutdown`, `guest-reset`, `host-signal` ... */
  endReason(): string | undefined
  /** Settles when QEMU closed the connection: nothing more will be told. */
  readonly closed: Promise<void>
}

interface QmpMessage {
  readonly QMP?: unknown
  readonly return?: unknown
  readonly event?: unknown
  readonly data?: { readonly reason?: unknown }
}

/** Far more than any message QEMU sends here, characters (our choice). */
const MAX_LINE = 1 << 20

/** Takes over the connection: reads it to its end. */
export function watchMonitor(connection: Duplex): QemuMonitor {
  let reason: string | undefined
  let line = ''
  let settle: (ready: boolean) => void = () => undefined
  const ready = new Promise<boolean>((resolve) => (settle = resolve))

  const receive = (message: QmpMessage): void => {
    if (message.QMP !== undefined) {
      // Events come only after this.
      connection.write('{"execute":"qmp_capabilities"}\n')
    }
    // The greeting comes early; commands are answered only by a machine that runs.
    if (message.return !== undefined) settle(true)
    if (message.event === 'SHUTDOWN' && typeof message.data?.reason === 'string') reason = message.data.reason
  }

  connection.setEncoding('utf8')
  connection.on('data', (text: string) => {
    const lines = (line + text).split('\n')
    line = (lines.pop() ?? '').slice(0, MAX_LINE)
    for (const complete of lines) {
      const message = parse(complete)
      if (message !== undefined) receive(message)
    }
  })
  connection.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => {
    connection.once('close', () => {
      settle(false)
      resolve()
    })
  })
  return { ready, closed, endReason: () => reason }
}

function parse(line: string): QmpMessage | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
