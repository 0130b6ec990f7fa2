// `node --import ./scripts/compiled.mjs FILE.ts` runs what the compiler last made of the TypeScript of tests and scripts, in
// the place of its source: paths and lines stay those of the source. `scripts/test.ts` compiles before it starts any.
import { register } from 'node:module'

/** Imports altered copies of the source, which nobody has compiled. */
const ALTERS_SOURCES = /src\/(ring|transport\/mapped)\/mutants\.test\.ts$/

if (ALTERS_SOURCES.test(process.argv[1] ?? '')) {
  // Nobody imports one of those copies again.
  process.env['TSX_DISABLE_CACHE'] = '1'
  await import('tsx')
  // Starts its compiler, a process that stays as long as this one: before anybody looks for what is left.
  await import('./layers.ts')
} else {
  process.setSourceMapsEnabled(true)
  register('./compiled-hooks.mjs', import.meta.url)
  // After that, since the thread of the loader has descriptors of its own; those of tsx keep a process.
  await import('./leaks.mjs')
}
