/** Contracts in the words of others: MIDL, a description as data, a dissector for Wireshark. */
export { type CallForm, describe } from './interfaces.ts'
export { printLua } from './lua.ts'
export { printMidl } from './midl.ts'
