import { BusbarError, escapePeerText } from '../../errors/index.ts'
import { type BusHost, openConfiguredHost } from '../../host/index.ts'
import { checkRequirements, installCommand } from '../../partition/index.ts'
import { type Command, STATUS, type Terminal } from '../command.ts'
import { buildVisibly } from '../image.ts'
import { untilStopped, Wait } from '../waiting.ts'
import { type Kind, makeScene, type Scene } from './scene.ts'
import { bootAll, type Epochs, killStorage, lookAtFiles, stepper, streamFile, timed, tryAbuse } from './steps.ts'

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
    const { signal } = terminal
    const kind = await chooseKind(options['kind'], terminal)
    await using scene = await sceneOf(kind, terminal)
    await using host = await openConfiguredHost({
      file: scene.config,
      logDirectory: scene.logs,
      signal,
      observe: (event) => {
        if (event.kind === 'starting') terminal.note(`          ${event.partition}: ${event.how}`)
      },
    })
    await untilStopped(signal, play(host, scene, kind, terminal))
    terminal.out(`${((performance.now() - start) / 1000).toFixed(2).padStart(6)} s  all of it held`)
    return STATUS.done
  },
}

async function sceneOf(kind: Kind, terminal: Terminal): Promise<Scene> {
  using _wait = new Wait(terminal, 'the files of the demo')
  return await makeScene(kind, terminal.signal)
}

async function play(host: BusHost, scene: Scene, kind: Kind, terminal: Terminal): Promise<void> {
  const step = stepper(terminal)
  const epochs: Epochs = new Map()
  const what = kind === 'qemu' ? 'boot two virtual machines' : 'start two processes'
  await step(what, () => bootAll(host, terminal.signal, epochs))
  await lookAtFiles(host, scene, step)
  await streamFile(host, scene, step)
  await tryAbuse(host, step)
  await killStorage(host, step)
  await step('start both again, in new epochs', () => bootAll(host, terminal.signal, epochs))
  await lookAtFiles(host, scene, step)
}

/** What was asked for; without that machines, where their programs and their image can be had, and else processes. */
async function chooseKind(asked: string | boolean | undefined, terminal: Terminal): Promise<Kind> {
  if (asked === 'process') return asked
  if (asked !== undefined && asked !== 'qemu') {
    throw new BusbarError('INVALID_ARGUMENT', `--kind is qemu or process, found "${asked}"`, {
      stage: 'arguments',
      hints: ['leave it out'],
    })
  }
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    if (asked === 'qemu') {
      throw new BusbarError('UNAVAILABLE', 'virtual machines cannot be started here', {
        stage: 'requirements',
        hints: [`as root: ${missing}`],
      })
    }
    return insteadOfMachines(['QEMU or a program beside it is not here'], `as root: ${missing}`, terminal)
  }
  try {
    const what = 'build the guest image, or find it in the cache'
    await timed(terminal, what, async (wait) => (await buildVisibly(wait, terminal.signal)).key)
    return 'qemu'
  } catch (thrown) {
    if (asked === 'qemu' || terminal.signal.aborted) throw thrown
    const { message, hints } = BusbarError.from(thrown)
    const why = ['the guest image cannot be built', ...message.split('\n')]
    return insteadOfMachines(why, hints[0] ?? '`busbar image build` tells more', terminal)
  }
}

function insteadOfMachines([why = '', ...details]: string[], remedy: string, terminal: Terminal): Kind {
  terminal.note(`No virtual machines: ${why}, so the partitions are plain processes of this host, without isolation.`)
  for (const line of details) terminal.note(`  → ${escapePeerText(line)}`)
  terminal.note(`For virtual machines: ${escapePeerText(remedy)}`)
  return 'process'
}
