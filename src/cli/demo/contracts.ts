import { contract, method, t } from '../../rpc/index.ts'

/** In `storage`, beside its files: answers when it is told to, so that a call can be pending when its machine dies. */
export const Patience = contract(
  'demo.Patience',
  { version: '1.0' },
  {
    wait: method({ ms: t.uint32 }, t.void),
  },
)

/** How a call went that had to go wrong. */
const Failure = t.struct({ code: t.string, message: t.string })

/** In `web`: what the demo asks it to do with `storage`. */
export const Visitor = contract(
  'demo.Visitor',
  { version: '1.0' },
  {
    list: method({ path: t.string }, t.array(t.struct({ name: t.string, size: t.uint53 }))),
    stat: method({ path: t.string }, t.struct({ size: t.uint53, modified: t.date })),
    /** How far it is, and at the end the SHA-256 of what arrived. */
    download: method({ path: t.string }, t.stream(t.struct({ done: t.uint53, sha256: t.optional(t.string) }))),
    callOutsideContract: method({}, t.struct({ code: t.string, message: t.string, bytesSent: t.uint53 })),
    writeGarbage: method({}, t.struct({ code: t.string, message: t.string, othersWork: t.bool })),
    openForbidden: method({}, Failure),
    /** First that the call is on its way, with an empty code, then what became of it. */
    waitForStorage: method({ ms: t.uint32 }, t.stream(Failure)),
  },
)
