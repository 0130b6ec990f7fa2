import { BusbarError } from '../errors/index.ts'
import type { BusConfig } from '../policy/index.ts'
import { type Libc, loadLibc, pollWindow, ringsSwitch } from '../transport/index.ts'

/** Machines that share memory with the bus: all but those whose programs are told to have no rings. */
export function sharingWithBus({ partitions }: BusConfig): string[] {
  return [...partitions].flatMap(([name, config]) => {
    return config.kind === 'qemu' && config.env.get('BUSBAR_RINGS') !== 'off' ? [name] : []
  })
}

/** Throws `INVALID_ARGUMENT` for variables of a partition that it would be refused for. */
export function checkSwitches({ partitions }: BusConfig): void {
  for (const [name, config] of partitions) {
    if (config.kind === 'external') continue
    ringsSwitch(config.env.get('BUSBAR_RINGS'), `BUSBAR_RINGS of "${name}"`)
    pollWindow(config.env.get('BUSBAR_POLL'), `BUSBAR_POLL of "${name}"`)
  }
}

/** What makes memory for rings, or why there is none. */
export async function libcOrWhyNot(
  wanted: boolean = ringsSwitch(process.env['BUSBAR_RINGS']) !== false,
): Promise<Libc | BusbarError> {
  if (!wanted) return new BusbarError('UNAVAILABLE', 'rings are turned off')
  try {
    return await loadLibc()
  } catch (thrown) {
    return BusbarError.from(thrown)
  }
}
