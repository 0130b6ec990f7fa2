import { BusbarError } from '../../errors/index.ts'
import { openConfiguredHost } from '../../host/index.ts'
import { checkRequirements, installCommand } from '../../partition/index.ts'
import type { Command, Terminal } from '../command.ts'
import { renderBytes } from '../progress-bar.ts'
import { type Kind, makeScene } from './scene.ts'
import { bootAll, killStorage, lookAtFiles, stepper, streamFile, tryAbuse } from './steps.ts'

export const demo: Command = {
  name: 'demo',
  words: '',
  summary: 'two virtual machines, one bus, one call: watch it work, and watch it fail well',
  options: {
    kind: { type: 'string', value: 'qemu|process', help: 'what the partitions are; default: qemu where it can be had' },
  },
  examples: ['busbar demo', 'busbar demo --kind process'],
  look: 'run `busbar up --help` to start a bus of your own and look around',
  arity: [0, 0],
  async run({ options }, terminal) {
    const start = performance.now()
    const kind = await chooseKind(options['kind'], terminal)
    await using scene = await makeScene(kind)
    await using host = await openConfiguredHost({
      file: scene.config,
      logDirectory: scene.logs,
      signal: terminal.signal,
      observe: (event) => {
        if (event.kind === 'image') {
          const { step, done, total, unit } = event.progress
          const size = (count: number): string => (unit === 'bytes' ? renderBytes(count) : `${count}`)
          terminal.status(`guest image: ${step} ${size(done)}${total > 0 ? ` of ${size(total)}` : ''}`)
        }
        if (event.kind === 'starting') terminal.note(`          ${event.partition}: ${event.how}`)
      },
    })
    const step = stepper(terminal)
    if (kind === 'qemu') {
      await step('build the guest image, or find it in the cache', async () => (await host.image()).key)
    }
    const what = kind === 'qemu' ? 'boot two virtual machines' : 'start two processes'
    await step(what, () => bootAll(host, terminal.signal))
    await lookAtFiles(host, scene, step)
    await streamFile(host, scene, step, terminal)
    await tryAbuse(host, step)
    await killStorage(host, step)
    await step('start both again, in new epochs', () => bootAll(host, terminal.signal))
    await lookAtFiles(host, scene, step)
    terminal.out(`${((performance.now() - start) / 1000).toFixed(2).padStart(6)} s  all of it held`)
    return 0
  },
}

async function chooseKind(asked: string | boolean | undefined, terminal: Terminal): Promise<Kind> {
  if (asked === 'process') return asked
  const missing = installCommand(await checkRequirements())
  if (asked === 'qemu' || (asked === undefined && missing === undefined)) {
    if (missing === undefined) return 'qemu'
    throw new BusbarError('UNAVAILABLE', 'virtual machines cannot be started here', { hints: [`as root: ${missing}`] })
  }
  if (asked !== undefined) {
    throw new BusbarError('INVALID_ARGUMENT', `--kind is qemu or process, found "${asked}"`, {
      hints: ['leave it out'],
    })
  }
  terminal.note('QEMU is not here, so the partitions are plain processes of this host, without isolation.')
  terminal.note(`For virtual machines, as root: ${missing}`)
  return 'process'
}
