import {
  buildImage,
  type BuildImageOptions,
  checkRequirements,
  type GuestImage,
  installCommand,
} from '../partition/index.ts'
import { BusbarError } from '../errors/index.ts'
import { fileURLToPath } from 'node:url'
import { type Command, JSON_OPTION } from './command.ts'
import { renderStep } from './progress-bar.ts'
import { Wait } from './waiting.ts'

export const image: Command = {
  name: 'image',
  words: 'build',
  summary: 'build the image that guests of kind qemu boot, or find it in the cache',
  options: {
    ...JSON_OPTION,
    refresh: { type: 'boolean', help: 'ask for the newest kernel even when one is cached' },
    cache: { type: 'string', value: 'DIR', help: 'where images are kept; default: $XDG_CACHE_HOME/busbar/images' },
  },
  examples: ['busbar image build', 'busbar image build --refresh'],
  look: 'run `busbar image build --refresh` to begin anew',
  arity: [1, 1],
  async run({ words, options }, terminal) {
    if (words[0] !== 'build') {
      throw new BusbarError('INVALID_ARGUMENT', `"image ${words[0]}" is not known, expected "image build"`, {
        stage: 'arguments',
        hints: ['busbar image build'],
      })
    }
    const missing = installCommand(await checkRequirements())
    if (missing !== undefined) {
      throw new BusbarError('UNAVAILABLE', 'programs that build guest images are missing', {
        stage: 'requirements',
        hints: [`as root: ${missing}`],
      })
    }
    using wait = new Wait(terminal, 'the guest image')
    const built = await buildVisibly(wait, terminal.signal, {
      refresh: options['refresh'] === true,
      ...(typeof options['cache'] === 'string' ? { cacheDir: options['cache'] } : {}),
    })
    terminal.out(options['json'] === true ? JSON.stringify({ schemaVersion: 1, image: built }) : built.directory)
    return 0
  },
}

/** The guest image of this package, built in sight of a person; `signal` stops it, and nothing of it is left. */
export function buildVisibly(
  wait: Wait,
  signal: AbortSignal,
  options: Pick<BuildImageOptions, 'refresh' | 'cacheDir'> = {},
): Promise<GuestImage> {
  return buildImage({
    ...options,
    packageDir: fileURLToPath(new URL('../..', import.meta.url)),
    signal,
    onProgress: (progress) => wait.progress(renderStep(progress)),
  })
}
