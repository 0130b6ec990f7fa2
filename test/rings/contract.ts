import { contract, method, t } from '../../src/rpc/index.ts'

/** What the other thread serves. */
export const Greeter = contract(
  'test.Greeter',
  { version: '1.0' },
  { greet: method({ name: t.string }, t.string), reverse: method({ data: t.bytes }, t.bytes) },
)

export const GREETER = {
  greet: ({ name }: { name: string }): string => `Hello ${name}`,
  reverse: ({ data }: { data: Uint8Array }): Uint8Array => Uint8Array.from(data).reverse(),
}
