import assert from 'node:assert/strict'
import { Reader, Writer } from '../../bytes/index.ts'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Fields, Type } from '../contract/type.ts'
import type { RefPort } from './codec.ts'
import type { Marshaller } from './marshal.ts'

export const noRefs: RefPort = {
  give: () => assert.fail('no references here'),
  take: () => assert.fail('no references here'),
}

/** What marshals the arguments of a method. */
export function request(args: Fields): Marshaller {
  return contract('test.Ndr', { version: '1.0' }, { m: method(args, t.void) }).procedures[0]!.request
}

/** What marshals the result of a method. */
export function reply(result: Type, args: Fields = {}): Marshaller {
  return contract('test.Ndr', { version: '1.0' }, { m: method(args, result) }).procedures[0]!.reply
}

export function encode(marshaller: Marshaller, value: unknown, little = true, port: RefPort = noRefs): Uint8Array {
  const writer = new Writer(little)
  marshaller.write(writer, value, port)
  assert.ok(marshaller.measure(value) >= writer.length, 'measured too little')
  return writer.finish()
}

export function decode(marshaller: Marshaller, stub: Uint8Array, little = true, port: RefPort = noRefs): unknown {
  const reader = new Reader(stub, little)
  const value = marshaller.read(reader, port)
  reader.done('test')
  return value
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
}

export function code(expected: ErrorCode, about?: RegExp): (thrown: unknown) => boolean {
  return (thrown) =>
    thrown instanceof BusbarError && thrown.code === expected && (about === undefined || about.test(thrown.message))
}
