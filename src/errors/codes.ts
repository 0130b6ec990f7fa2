/** One entry of the closed list: the number that travels and is printed as `BUS-nnnn`, and what it means. */
interface CodeEntry {
  readonly number: number
  readonly meaning: string
}

/**
 * Every way Busbar fails, once. Users and tests match on the name; the number is what crosses the bus.
 * Numbers are append-only: 1xxx use, 2xxx wire, 3xxx refusal, 4xxx liveness, 5xxx calls, 6xxx objects, 7xxx partitions,
 * 8xxx configuration, 9xxx ourselves.
 */
export const CODES = {
  INVALID_ARGUMENT: { number: 1001, meaning: 'An argument does not fit what this function takes.' },
  CLOSED: { number: 1002, meaning: 'Used after this side closed it.' },
  CANCELLED: { number: 1003, meaning: 'The caller cancelled.' },
  DEADLINE: { number: 1004, meaning: 'The deadline passed first.' },
  ENDED: { number: 1005, meaning: 'Written to after the end of writing.' },
  UNAVAILABLE: { number: 1006, meaning: 'This machine lacks what the operation needs.' },

  MALFORMED: { number: 2001, meaning: 'Bytes that break the format of the protocol.' },
  LIMIT: { number: 2002, meaning: 'More than a named limit allows.' },
  PROTOCOL: { number: 2003, meaning: 'A well-formed message that is not allowed in this state.' },
  VERSION: { number: 2004, meaning: 'The two sides share no version of the protocol.' },
  STALE_EPOCH: { number: 2005, meaning: 'Belongs to a session that is over.' },

  NO_SUCH_PARTITION: { number: 3001, meaning: 'No partition of that name is known to the bus.' },
  NO_SUCH_SERVICE: { number: 3002, meaning: 'The partition is known and does not offer that service.' },
  DENIED: { number: 3003, meaning: 'Policy does not allow it.' },
  BUSY: { number: 3004, meaning: 'A limit on concurrent use is reached.' },
  NOT_READY: { number: 3005, meaning: 'The partition is known and is not attached now.' },
  WRONG_MODE: { number: 3006, meaning: 'The service is offered in the other pipe mode.' },
  ALREADY_OFFERED: { number: 3007, meaning: 'This partition offers a service of that name already.' },

  PEER_DIED: { number: 4001, meaning: 'The partition at the other end is gone.' },
  LINK_LOST: { number: 4002, meaning: 'The link to the bus broke.' },
  RESCINDED: { number: 4003, meaning: 'The offer was withdrawn.' },
  RESET: { number: 4004, meaning: 'The other end closed without finishing.' },

  NOT_IN_CONTRACT: {
    number: 5001,
    meaning: 'The contract does not contain that command; nothing was sent or dispatched.',
  },
  NO_SUCH_INTERFACE: { number: 5002, meaning: 'The server does not know that interface or version.' },
  BAD_VALUE: { number: 5003, meaning: 'A value does not fit the type that the contract declares.' },
  FAULT: { number: 5004, meaning: 'The component failed with an error of its own.' },

  NO_SUCH_OBJECT: { number: 6001, meaning: 'No live object has that identity on this association.' },
  NO_SUCH_CLASS: { number: 6002, meaning: 'The partition does not offer that class.' },
  RELEASED: { number: 6003, meaning: 'The proxy was released.' },

  IMAGE_FAILED: { number: 7001, meaning: 'The guest image could not be built.' },
  LAUNCH_FAILED: { number: 7002, meaning: 'The partition could not be started.' },
  PARTITION_EXITED: { number: 7003, meaning: 'The partition stopped.' },

  CONFIG: { number: 8001, meaning: 'A configuration file is missing or wrong.' },
  POLICY: { number: 8002, meaning: 'A policy rule is wrong.' },

  INTERNAL: { number: 9001, meaning: 'A bug in Busbar.' },
} as const

export type ErrorCode = keyof typeof CODES

const entries: Record<ErrorCode, CodeEntry> = CODES

const byNumber: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(CODES) as ErrorCode[]).map((code) => [entries[code].number, code]),
)

/** The number that travels for a code. */
export function codeNumber(code: ErrorCode): number {
  return CODES[code].number
}

/** The code for a number from a peer; `undefined` when a newer peer sent one this version does not know. */
export function codeFromNumber(number: number): ErrorCode | undefined {
  return byNumber.get(number)
}
