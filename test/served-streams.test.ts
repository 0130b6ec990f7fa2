/** Whoever may open a stream that a program offers can break its pipe, and nothing else of that program. */
import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import type { PipeHandler } from '../src/agent/index.ts'
import { code, MemoryBus } from './memory-bus.ts'

const bus = new MemoryBus()
after(() => bus.close())

/** Each serves as a program does that thinks of nothing going wrong. */
const servers: readonly (readonly [how: string, serve: PipeHandler])[] = [
  ['echoes with pipe()', (pipe) => void pipe.pipe(pipe)],
  ['writes without listening', (pipe) => void pipe.write('something')],
  [
    'waits for data',
    (pipe) => {
      pipe.on('data', () => {})
    },
  ],
  ['does nothing', () => {}],
]

for (const [how, serve] of servers) {
  test(`a server that ${how} outlives a caller that dies`, { timeout: 60_000 }, async () => {
    const server = await bus.partition('server')
    const closed = new Promise<void>((resolve) => {
      void server.bus.offer('it', (pipe, caller) => {
        pipe.once('close', resolve)
        return serve(pipe, caller)
      })
    })
    await server.bus.offer('other', (pipe) => void pipe.end('still here'))
    const doomed = await bus.partition('doomed')
    const pipe = await doomed.bus.openPipe('server/it', { wait: true })
    await pipe.write(Buffer.from('hello'))
    doomed.die()
    // An 'error' that nobody listened to would have ended this process by now.
    await closed
    const caller = await bus.partition('caller')
    const other = await caller.bus.open('server/other')
    other.end()
    assert.equal(await text(other), 'still here')
    await Promise.all([server.bus.close(), caller.bus.close()])
  })
}

test('a server that throws or rejects loses that pipe only', { timeout: 60_000 }, async () => {
  const server = await bus.partition('server')
  let calls = 0
  await server.bus.offer('it', (pipe) => {
    calls++
    if (calls === 1) throw new Error('thrown')
    if (calls === 2) return Promise.reject(new Error('rejected'))
    pipe.end('third')
    return undefined
  })
  const { bus: caller } = await bus.partition('caller')
  for (let i = 0; i < 2; i++) {
    const pipe = await caller.open('server/it')
    await assert.rejects(text(pipe), code('INTERNAL'))
  }
  const pipe = await caller.open('server/it')
  pipe.end()
  assert.equal(await text(pipe), 'third')
  await Promise.all([server.bus.close(), caller.close()])
})
