/** Contracts in the words of others: MIDL, a description as data, a dissector for Wireshark; and what changed in them. */
export { type ContractDiff, diffContracts, isCompatible, renderDiff } from './diff.ts'
export { type Difference, type Effect } from './diff-types.ts'
export { type CallForm, describe } from './interfaces.ts'
export { printLua } from './lua.ts'
export { printMidl } from './midl.ts'
export { signatureText, typeText } from './type-text.ts'
