import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultBusSocket, runtimeDirectory } from '../agent/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type AuditRecord, configUnreadable, PolicyStore } from '../policy/index.ts'
import { accessPolicy } from './access.ts'
import { AuditLog, auditFileName } from './audit-log.ts'
import { BusHost } from './host.ts'
import type { HostEvent } from './host-events.ts'

export interface ConfiguredHostOptions {
  /** Path of a `busbar.yaml`. */
  file: string
  /** Where programs of this host attach; none when absent. */
  socket?: string
  /** Where consoles, logs and the audit log are kept; a folder of this user when absent. */
  logDirectory?: string
  signal?: AbortSignal
  observe?(event: HostEvent): void
}

/**
 * Reads a configuration and opens its bus; no partition is started yet.
 * Rejects with `CONFIG` or `POLICY`, one line `file:line:column` for each thing that is wrong.
 */
export async function openConfiguredHost(options: ConfiguredHostOptions): Promise<BusHost> {
  const { file, observe = () => {} } = options
  const store = new PolicyStore({ now: () => Date.now(), audit: (record) => audit(record) })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw configUnreadable(file, cause)
  })
  const result = store.load(text, file)
  if (!result.loaded) throw result.error
  const logDirectory = options.logDirectory ?? join(runtimeDirectory(), 'logs')
  const place = resolve(options.socket ?? file)
  const auditLog = AuditLog.open(join(logDirectory, auditFileName(place, place === defaultBusSocket())))
  const audit = auditTo(auditLog, observe)
  return BusHost.open({
    config: result.config,
    policy: accessPolicy(store, audit),
    ask: (question) => store.policy.decide(question),
    directory: dirname(resolve(file)),
    logDirectory,
    auditLog,
    packageDirectory: packageDirectory(),
    observe,
    ...(options.socket === undefined ? {} : { socket: options.socket }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
}

/** Records what was decided, then tells it. That it cannot be recorded is told once, until it can be again. */
function auditTo(log: AuditLog, observe: (event: HostEvent) => void): (record: Omit<AuditRecord, 'sequence'>) => void {
  let lost = false
  return (record) => {
    try {
      log.record(record)
      lost = false
    } catch (thrown) {
      if (!lost) observe({ kind: 'unrecorded', path: log.path, reason: BusbarError.from(thrown) })
      lost = true
      throw thrown
    }
    observe({ kind: 'decided', record })
  }
}

/** This package as it is installed: two folders above this file, in `dist/` as in `src/`. */
function packageDirectory(): string {
  return fileURLToPath(new URL('../..', import.meta.url))
}
