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
} from '../../../rpc/index.ts'

type Num = Type<number>
type Call = { readonly call: Num }
type Numbers = StreamType<number, number>

// Written out, because a library's declarations are made file by file. Programs need not do this.
type ThingMethods = {
  readonly who: Method<Call, Num>
  readonly wait: Method<Call & { readonly ms: Num }, Num>
  readonly flow: Method<Call, Numbers>
  readonly pour: Method<Call & { readonly items: Numbers }, Num>
  readonly relay: Method<Call & { readonly items: Numbers }, Numbers>
}
type ThingContract = Contract<ThingMethods>
type Things = Type<readonly Implementation<ThingContract>[], Client<ThingContract>[]>
type BoxMethods = { readonly swap: Method<Call & { readonly things: Things }, Things> }
type BoxContract = Contract<BoxMethods>
type HubMethods = {
  readonly make: Method<Call, Things>
  readonly find: Method<Call & { readonly pick: Num }, Things>
  readonly keep: Method<Call & { readonly things: Things; readonly ballast: Type<Uint8Array> }, Num>
  readonly echo: Method<Call & { readonly things: Things }, Things>
  readonly ask: Method<Call & { readonly things: Things; readonly times: Num }, Num>
  readonly stuff: Method<
    Call & { readonly box: Type<Implementation<BoxContract>, Client<BoxContract>>; readonly pick: Num },
    Num
  >
  readonly compare: Method<Call & { readonly things: Things }, Type<boolean>>
  readonly drop: Method<Call & { readonly pick: Num }, Num>
}

/** What is passed around. Each call carries its number in the model. */
export const Thing: ThingContract = contract(
  'sim.Thing',
  { version: '1.0' },
  {
    /** Its number in the model. */
    who: method({ call: t.uint32 }, t.uint32),
    /** The same after so many virtual `ms`, or when it is cancelled. */
    wait: method({ call: t.uint32, ms: t.uint32 }, t.uint32),
    /** The items of the stream that the model has for the call. */
    flow: method({ call: t.uint32 }, t.stream(t.uint32)),
    /** Reads them, and answers how many it had. */
    pour: method({ call: t.uint32, items: t.stream(t.uint32) }, t.uint32),
    /** Gives back what it was lent, read or unread. */
    relay: method({ call: t.uint32, items: t.stream(t.uint32) }, t.stream(t.uint32)),
  },
)

const things: Things = t.array(t.ref(Thing))

/** What some things are besides: a place for others, so that references travel within calls on references. */
export const Box: BoxContract = contract(
  'sim.Box',
  { version: '1.0' },
  {
    /** Puts things in, and gives those that were there. */
    swap: method({ call: t.uint32, things }, things),
  },
)

/** The component that is activated: it gives, takes and keeps references. */
export const Hub: Contract<HubMethods> = contract(
  'sim.Hub',
  { version: '1.0' },
  {
    /** A new thing, given for good. */
    make: method({ call: t.uint32 }, things),
    /** One of those that this process holds, its own or of others. */
    find: method({ call: t.uint32, pick: t.uint32 }, things),
    /** Keeps them. The ballast makes requests of several fragments. */
    keep: method({ call: t.uint32, things, ballast: t.bytes }, t.uint32),
    echo: method({ call: t.uint32, things }, things),
    /** Calls each of them back, so often, before it answers. */
    ask: method({ call: t.uint32, things, times: t.uint32 }, t.uint32),
    /** Puts one of those that this process holds into the box. */
    stuff: method({ call: t.uint32, box: t.ref(Box), pick: t.uint32 }, t.uint32),
    /** Whether all of them are the same object. */
    compare: method({ call: t.uint32, things }, t.bool),
    /** Releases one of those that this process holds. */
    drop: method({ call: t.uint32, pick: t.uint32 }, t.uint32),
  },
)
