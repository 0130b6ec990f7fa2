// What `npm run demo` runs: set-up, then `busbar demo` with the same arguments. Plain JavaScript, because nothing is installed yet.
// Packages for virtual machines are only asked for when there may be some: not with `--kind process`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2)
const asked = args.flatMap((arg, at) =>
  arg === '--kind' ? [args[at + 1]] : arg.startsWith('--kind=') ? [arg.slice(7)] : [],
)
const setUp = fileURLToPath(new URL('set-up.mjs', import.meta.url))
const flags = asked.at(-1) === 'process' ? [] : ['--vm']
const { status } = spawnSync(process.execPath, [setUp, ...flags], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// In this very process: a person who presses Ctrl-C means the demo, and what it has to clean up.
const main = new URL('../dist/cli/main.js', import.meta.url)
process.argv = [process.execPath, fileURLToPath(main), 'demo', ...args]
await import(main.href)
