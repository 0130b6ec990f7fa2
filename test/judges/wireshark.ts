/** Wireshark as a judge of what was recorded. */
import assert from 'node:assert/strict'
import { run } from './judges.ts'

/** All that Wireshark reads of a capture. Fails when it finds anything malformed or left unassembled, or takes bytes for plain data. */
export async function wiresharkReads(capture: string): Promise<string> {
  const { status, output } = await run(['tshark', '-r', capture, '-V'])
  assert.equal(status, 0, output)
  assert.deepEqual(
    output.split('\n').filter((line) => /malformed|unreassembled/i.test(line)),
    [],
  )
  await isAllRpc(capture)
  return output
}

/** Fails when Wireshark took bytes for something else than DCE/RPC: what it does not read it cannot complain of. */
export async function isAllRpc(capture: string): Promise<void> {
  const plain = 'tcp.len > 0 && !dcerpc && !tcp.reassembled_in'
  const { status, output } = await run(['tshark', '-2', '-r', capture, '-Y', plain])
  assert.equal(status, 0, output)
  assert.deepEqual(
    output.split('\n').filter((line) => /^ *\d+ /.test(line)),
    [],
  )
}
