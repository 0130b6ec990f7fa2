import {
  type Client,
  type Contract,
  contract,
  type Implementation,
  type Method,
  method,
  type StreamType,
  t,
  type Type,
} from '../../rpc/index.ts'

type Bytes = Type<Uint8Array>
type Num = Type<number>

// Written out, because a library's declarations are made file by file. Programs need not do this.
type SumMethods = { readonly add: Method<{ readonly call: Num; readonly value: Num }, Num> }
type DeskMethods = {
  readonly reverse: Method<{ readonly call: Num; readonly bytes: Bytes }, Bytes>
  readonly wait: Method<{ readonly call: Num; readonly ms: Num }, Num>
  readonly fail: Method<{ readonly call: Num }, Type<void>>
  readonly sum: Method<{ readonly call: Num }, Type<Implementation<Contract<SumMethods>>, Client<Contract<SumMethods>>>>
  readonly count: Method<{ readonly call: Num; readonly to: Num }, StreamType<number, number>>
}

/** An object that is made by a call, and adds up what it is given. */
const Sum: Contract<SumMethods> = contract(
  'sim.Sum',
  { version: '1.0' },
  { add: method({ call: t.uint32, value: t.uint32 }, t.uint53) },
)

/** The component that every simulated program offers: each call carries its number in the model. */
export const Desk: Contract<DeskMethods> = contract(
  'sim.Desk',
  { version: '1.0' },
  {
    /** The same bytes, last one first. */
    reverse: method({ call: t.uint32, bytes: t.bytes }, t.bytes),
    /** Answers after so many virtual `ms`, or when it is cancelled. */
    wait: method({ call: t.uint32, ms: t.uint32 }, t.uint32),
    fail: method({ call: t.uint32 }, t.void),
    sum: method({ call: t.uint32 }, t.ref(Sum)),
    /** The numbers from 0 on. */
    count: method({ call: t.uint32, to: t.uint32 }, t.stream(t.uint32)),
  },
)
