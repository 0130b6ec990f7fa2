import { contract, method, t } from '../rpc/index.ts'

/** What the host's own partition is called. */
export const HOST_PARTITION = 'host'

/** What the bus answers to its operator, on the operator's own socket only. */
export const Operator = contract(
  'busbar.Operator',
  { version: '1.0' },
  {
    /** The broker's and the partitions' `inspect()`, as JSON. */
    inspect: method({}, t.string),
  },
)
