import { escapePeerText } from '../errors/index.ts'
import type { HostEvent } from '../host/index.ts'
import { HOST_PARTITION } from '../services/index.ts'
import type { Terminal } from './command.ts'
import { failureRecord } from './failure.ts'
import { renderStep } from './progress-bar.ts'
import type { StartFailed } from './up-start.ts'
import type { Wait } from './waiting.ts'

/** What `busbar up` tells as it happens. */
export type UpEvent =
  | HostEvent
  | StartFailed
  /** Everything that the bus starts itself has attached. `missing`: what somebody else is to start, and has not. */
  | {
      readonly kind: 'up'
      readonly socket: string
      readonly auditLog: string | undefined
      readonly missing: readonly string[]
    }

/** An event as one line for a person. */
export function describeEvent(event: UpEvent, quiet: boolean, terminal: Terminal, wait: Wait | undefined): void {
  // The host's own end of the bus is no news.
  if ('partition' in event && event.partition === HOST_PARTITION) return
  switch (event.kind) {
    case 'image':
      return wait?.progress(`guest image: ${renderStep(event.progress)}`)
    case 'starting':
      return terminal.note(
        `${event.partition}: starting, ${event.how}${event.log === undefined ? '' : `; its console is in ${event.log}`}`,
      )
    case 'attached':
      return terminal.note(`${event.partition}: attached, epoch ${event.epoch}`)
    case 'detached':
      return terminal.note(`${event.partition}: detached (${escapePeerText(event.reason.message)})`)
    case 'offered':
      return terminal.note(`${event.partition}: offers ${event.service}`)
    case 'withdrawn':
      return terminal.note(`${event.partition}: no longer offers ${event.service}`)
    case 'refused':
      return terminal.note(`${event.question.caller}: refused, ${escapePeerText(event.reason.message)}`)
    case 'decided':
      if (quiet || !event.record.allowed) return
      return terminal.note(
        `${event.record.caller}: ${event.record.target}/${event.record.service}: ${event.record.reason}`,
      )
    case 'exited':
      return terminal.note(`${event.partition}: stopped, ${howItEnded(event.exit)}`)
    case 'output':
      if (!quiet) terminal.note(`${event.partition} | ${escapePeerText(event.line)}`)
      return
    case 'broken':
      return terminal.note(`${event.partition}: ${event.reason.code} ${escapePeerText(event.reason.message)}`)
    case 'failed':
      return terminal.note(`${event.partition}: ${failed(event)}`)
    case 'unrecorded':
      return terminal.note(`${event.reason.message}: every opening is refused until it can be`)
    case 'up':
      // Whoever started the bus says more of it.
      return
    default:
      event satisfies never
  }
}

function failed({ reason: { code, message }, again }: StartFailed): string {
  const why = `${code} ${message
    .split('\n')
    .map((line) => escapePeerText(line))
    .join('; ')}`
  return again ? `not reached, ${why}; trying again until it is` : `cannot be started, ${why}`
}

function howItEnded({ reason, signal, code }: Extract<HostEvent, { kind: 'exited' }>['exit']): string {
  return reason ?? (signal === null ? `status ${code}` : `by ${signal}`)
}

/** Errors do not survive JSON by themselves. */
export function eventRecord(event: UpEvent): object {
  return 'reason' in event ? { ...event, reason: failureRecord(event.reason, event.kind)['error'] } : event
}
