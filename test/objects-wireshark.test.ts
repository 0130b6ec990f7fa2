/** Wireshark judges what callbacks and queries are on the wire: it knows DCE/RPC and MS-DCOM, and nothing of Busbar. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Capture, type PipeTap } from '../src/capture/index.ts'
import {
  ClassTable,
  encodeReturn,
  implement,
  ObjectClient,
  ObjectServer,
  query,
  ReturnChannels,
} from '../src/component/index.ts'
import { type ByteLink, type Env, memoryPair } from '../src/link/index.ts'
import { type CallContext, type Client, contract, method, RpcAccess, t } from '../src/rpc/index.ts'
import { nodeEnv } from '../src/transport/index.ts'

const env: Env = nodeEnv()
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const present = spawnSync('tshark', ['--version']).error === undefined

const Readable = contract('test.Readable', { version: '1.0' }, { read: method({}, t.string) })
const Writable = contract('test.Writable', { version: '1.0' }, { write: method({ text: t.string }, t.void) })
const Missing = contract('test.Missing', { version: '1.0' }, { miss: method({}, t.void) })
const Board = contract(
  'test.Board',
  { version: '1.0' },
  { put: method({ item: t.ref(Readable) }, t.ref(Readable)), drop: method({}, t.void) },
)

/** A pair whose bytes a capture hears. */
function tapped(made: Capture): [ByteLink, ByteLink] {
  const pipe = { caller: 'web', callerEpoch: 1, partition: 'storage', service: 'test.Board', mode: 'byte' as const }
  const tap = made.opened({ ...pipe, joinedLate: false, packets: undefined }) as PipeTap
  const [near, far] = memoryPair()
  const heard = (link: ByteLink, fromCaller: boolean): ByteLink => ({
    closed: link.closed,
    read: () => link.read(),
    end: () => link.end(),
    close: (reason) => link.close(reason),
    write: (chunk) => {
      tap.bytes(fromCaller, chunk)
      return link.write(chunk)
    },
  })
  void near.closed.then((reason) => tap.closed(reason))
  return [heard(near, true), heard(far, false)]
}

/** Calls, calls back, sends home, queries and releases. */
async function exchange(made: Capture): Promise<void> {
  const classes = new ClassTable()
  const returns = new ReturnChannels(env)
  const caller = { partition: 'web', epoch: 1 }
  let kept: Client<typeof Readable> | undefined
  classes.offer(Board, {
    put: async ({ item }, context) => {
      assert.equal(context.trace, TRACE)
      kept = item
      using writable = await query(item, Writable, { within: context })
      await writable.write({ text: 'written by a callback' }, { within: context })
      await query(item, Missing, { deadline: 60_000, trace: TRACE }).catch(() => {})
      return item
    },
    drop: () => kept?.[Symbol.dispose](),
  })
  const [near, far] = tapped(made)
  const server = new ObjectServer(new RpcAccess(far), { env, classes, caller, returns })
  const client = new ObjectClient(new RpcAccess(near), {
    env,
    returns: {
      peer: { partition: 'storage', epoch: 0 },
      open: async (token) => {
        const [mine, theirs] = tapped(made)
        void mine.write(encodeReturn(token))
        assert.deepEqual(await theirs.read(), encodeReturn(token))
        returns.claim(token, caller, new RpcAccess(theirs))
        return new RpcAccess(mine)
      },
    },
  })
  let text = ''
  const note = implement([Readable, Writable], {
    read: () => text,
    write: (args: { text: string }, { chain }: CallContext) => {
      assert.deepEqual(
        chain.map(({ partition, attested }) => `${partition} ${attested}`),
        ['web false', 'storage true'],
      )
      text = args.text
    },
  })
  const board = await client.activate(Board)
  assert.equal((await board.put({ item: note }, { deadline: 60_000, trace: TRACE })) as unknown, note)
  assert.equal(text, 'written by a callback')
  await board.drop()
  await board[Symbol.asyncDispose]()
  client.close()
  await server.closed
}

test('Wireshark reads the return channel, extents, IRemUnknown and its queries', {
  skip: present || process.env['CI'] !== undefined ? false : 'tshark is not installed',
}, async () => {
  assert.ok(present, 'tshark is required where CI is set: apt-get install tshark')
  const folder = mkdtempSync(join(tmpdir(), 'busbar-objects-'))
  try {
    let clock = 1_700_000_000_000_000
    const made = new Capture({ now: () => (clock += 1000), application: 'Busbar test' })
    await exchange(made)
    made.finish()
    const chunks: Uint8Array[] = []
    for (let chunk = await made.read(); chunk !== undefined; chunk = await made.read()) chunks.push(chunk)
    const file = join(folder, 'objects.pcapng')
    writeFileSync(file, Buffer.concat(chunks))
    const text = execFileSync('tshark', ['-r', file, '-V'], { encoding: 'utf8', maxBuffer: 1 << 28 })
    assert.doesNotMatch(text, /malformed|unreassembled|\[Expert Info \(Error/i)
    for (const expected of [
      /RPC-over-HTTP RTS/,
      /RTS Command: Cookie/,
      /^IRemUnknown, RemQueryInterface\n    Operation: RemQueryInterface \(3\)\n/m,
      /^IRemUnknown, RemRelease\n    Operation: RemRelease \(5\)\n/m,
      // What was found, with a reference, and what was not.
      /QIResult\[1\]: S_OK\n        HResult: S_OK \(0x00000000\)\n        STDOBJREF: PublicRefs=1 IPID=.*\n[^]*?\n    HResult: S_OK \(/,
      /QIResult\[1\]: E_NOINTERFACE\n        HResult: E_NOINTERFACE \(0x80004002\)\n/,
      // A query within a call: deadline, trace and chain, and then its own arguments.
      /Extension Count: 3\n[^]*?13e37dc4-dba5-5596-81fc-3101884bc115\n[^]*?5c9d57e4-7c84-5ae1-8ab8-921c14384cea\n[^]*?Extension\[4\]: NULL\n.*\n    IPID:/,
    ]) {
      assert.match(text, expected)
    }
    // What Wireshark takes for plain data it does not complain of.
    const plain = ['-2', '-Y', 'tcp.len > 0 && !dcerpc && !tcp.reassembled_in']
    assert.equal(execFileSync('tshark', ['-r', file, ...plain], { encoding: 'utf8' }), '')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
