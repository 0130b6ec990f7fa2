import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runtimeDirectory } from '../agent/index.ts'
import { configUnreadable, PolicyStore } from '../policy/index.ts'
import { accessPolicy } from './access.ts'
import { BusHost } from './host.ts'
import type { HostEvent } from './host-events.ts'

export interface ConfiguredHostOptions {
  /** Path of a `busbar.yaml`. */
  file: string
  /** Where programs of this host attach; none when absent. */
  socket?: string
  /** Where consoles and logs are kept; a folder of this user when absent. */
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
  const audit = (record: Parameters<Parameters<typeof accessPolicy>[1]>[0]): void => {
    observe({ kind: 'decided', record })
  }
  const store = new PolicyStore({ now: () => Date.now(), audit })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw configUnreadable(file, cause)
  })
  const result = store.load(text, file)
  if (!result.loaded) throw result.error
  return BusHost.open({
    config: result.config,
    policy: accessPolicy(store, audit),
    ask: (question) => store.policy.decide(question),
    directory: dirname(resolve(file)),
    logDirectory: options.logDirectory ?? join(runtimeDirectory(), 'logs'),
    packageDirectory: packageDirectory(),
    observe,
    ...(options.socket === undefined ? {} : { socket: options.socket }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
}

/** This package as it is installed: two folders above this file, in `dist/` as in `src/`. */
function packageDirectory(): string {
  return fileURLToPath(new URL('../..', import.meta.url))
}
