/** Runs in `storage`, the machine that owns the disk. */
import { setTimeout as sleep } from 'node:timers/promises'
import { attach } from '../../agent/index.ts'
import { DiskFileStore, FileStore } from '../../services/index.ts'
import { Patience } from './contracts.ts'

const bus = await attach()
await bus.offer(FileStore, new DiskFileStore(process.env['DEMO_FILES'] ?? '/srv'))
await bus.offer(Patience, { wait: ({ ms }, { signal }) => sleep(ms, undefined, { signal }) })
await bus.closed
