import { buildImage, checkRequirements, installCommand, type Progress } from '../partition/index.ts'
import { BusbarError } from '../errors/index.ts'
import { fileURLToPath } from 'node:url'
import { type Command, JSON_OPTION } from './command.ts'
import { renderBytes } from './progress-bar.ts'

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
      throw new BusbarError('INVALID_ARGUMENT', `"image ${words[0]}" is not known`, { hints: ['busbar image build'] })
    }
    const missing = installCommand(await checkRequirements())
    if (missing !== undefined) {
      throw new BusbarError('UNAVAILABLE', 'programs that build guest images are missing', {
        hints: [`as root: ${missing}`],
      })
    }
    const built = await buildImage({
      packageDir: fileURLToPath(new URL('../..', import.meta.url)),
      signal: terminal.signal,
      refresh: options['refresh'] === true,
      onProgress: (progress) => terminal.status(line(progress)),
      ...(typeof options['cache'] === 'string' ? { cacheDir: options['cache'] } : {}),
    })
    terminal.out(options['json'] === true ? JSON.stringify({ schemaVersion: 1, image: built }) : built.directory)
    return 0
  },
}

function line({ step, done, total, unit }: Progress): string {
  const size = (count: number): string => (unit === 'bytes' ? renderBytes(count) : `${count}`)
  return `${step} ${size(done)}${total > 0 ? ` of ${size(total)}` : ''}`
}
