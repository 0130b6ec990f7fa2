// Loaded before each test file: when its process ends, nothing that it opened may be left. What still keeps the event loop busy keeps
// the process from ending, and fails the file by its time-out; this finds the rest: descriptors, processes and temporary files.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

/** Descriptors that tests and the library open; what Node keeps for itself (epoll, eventfd, io_uring, its own files) is none of them. */
const OPENED = /^(socket:|pipe:|\/memfd:|\/dev\/(?!null|urandom|pts|tty)|\/tmp\/)/

/** What tools put there for the next time they run. */
const TOOLS = /^(tsx-|node-compile-cache)/

function descriptors() {
  const found = new Map()
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      if (OPENED.test(target)) found.set(fd, target)
    } catch {
      // That of the listing itself.
    }
  }
  return found
}

function children() {
  return readdirSync('/proc/self/task').flatMap((task) => {
    const pids = readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim()
    const names = pids === '' ? [] : pids.split(' ').map((pid) => `process ${pid}: ${nameOf(pid)}`)
    // That of tsx, of which there is one for each thread as well.
    return names.filter((name) => !name.includes('esbuild'))
  })
}

function nameOf(pid) {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 200)
    return words === '' ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(1, 3).join(' ') : words
  } catch {
    return 'gone meanwhile'
  }
}

// Of what the threads of a process open the main one sees all.
if (process.platform === 'linux' && isMainThread) {
  const before = descriptors()
  const running = children()
  // A folder of its own for all that the file puts into temporary ones, its children as well. Short: sockets are in it.
  const folder = mkdtempSync(join(tmpdir(), 'bt-'))
  process.env['TMPDIR'] = folder
  process.on('exit', () => {
    const left = [...descriptors()].filter(([fd, target]) => before.get(fd) !== target)
    const leaks = [
      ...left.map(([fd, target]) => `descriptor ${fd}: ${target}`),
      ...children().filter((child) => !running.includes(child)),
      ...readdirSync(folder)
        .filter((name) => !TOOLS.test(name))
        .map((name) => `temporary ${join(folder, name)}`),
    ]
    rmSync(folder, { recursive: true, force: true })
    if (leaks.length === 0) return
    process.stderr.write(`left behind when the tests were over:\n${leaks.map((leak) => `  ${leak}\n`).join('')}`)
    process.exitCode = 1
  })
}
