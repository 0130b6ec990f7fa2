import { contract, method, t } from 'busbar/rpc'

/** Gives back what it got. */
export const Echo = contract('bench.Echo', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
