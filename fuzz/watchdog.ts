import { mkdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type Begun, crashPath, crashText } from './engine.ts'

/** Bytes that a crash file may have (our choice: many times the longest input). */
const ROOM = 4 * 1024 * 1024
/** How many inputs have begun; how long the file of the one that runs is; nothing runs any more. */
const [BEGUN, LENGTH, STOPPED, CELLS] = [0, 1, 2, 3]

/** Looks on from a thread of its own, since the other one may never come back. What it needs is written before each input. */
const LOOKS_ON = String.raw`
const { writeFileSync, writeSync } = require('node:fs')
const { workerData: { memory, cells, patience } } = require('node:worker_threads')
const state = new Int32Array(memory, 0, cells)
let seen = -1
while (Atomics.load(state, ${STOPPED}) === 0) {
  const now = Atomics.load(state, ${BEGUN})
  if (now === seen && now > 0) {
    const [path, ...file] = Buffer.from(memory, 4 * cells, Atomics.load(state, ${LENGTH})).toString().split('\n')
    writeFileSync(path, file.join('\n'))
    writeSync(2, '\u2716 an input does not come back\n  replay: npm run fuzz -- --repro ' + path + '\n')
    process.kill(process.pid, 'SIGKILL')
  }
  seen = now
  Atomics.wait(state, ${STOPPED}, 0, patience)
}
`

/** Ends the process when an input takes longer than `patience` ms, or for ever, and leaves that input as a crash file in `folder`. */
export class Watchdog {
  readonly #folder: string
  readonly #state: Int32Array
  readonly #file: Buffer
  readonly #worker: Worker

  constructor(folder: string, patience: number) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
    const memory = new SharedArrayBuffer(4 * CELLS + ROOM)
    this.#state = new Int32Array(memory, 0, CELLS)
    this.#file = Buffer.from(memory, 4 * CELLS)
    this.#worker = new Worker(LOOKS_ON, {
      eval: true,
      // Nothing is loaded for it: that would need the thread which may not come back.
      execArgv: [],
      workerData: { memory, cells: CELLS, patience },
    })
  }

  /** To be told of each input before it runs. */
  readonly begins = (input: Begun): void => {
    const error = 'it does not come back'
    const crash = { ...input, error }
    const length = this.#file.write(`${crashPath(this.#folder, crash)}\n${crashText(crash)}`)
    Atomics.store(this.#state, LENGTH, length)
    Atomics.add(this.#state, BEGUN, 1)
  }

  /** Nothing runs any more. */
  async stop(): Promise<void> {
    Atomics.store(this.#state, STOPPED, 1)
    Atomics.notify(this.#state, STOPPED)
    await this.#worker.terminate()
  }
}
