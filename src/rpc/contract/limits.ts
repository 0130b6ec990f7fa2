/** Longest name of a contract, method, field or enumeration value, UTF-16 units. Our choice: C706 compilers take 31 to 255. */
export const MAX_NAME = 100
/** Most methods in a contract. Fixed by the protocol: an opnum is 16 bits and objects reserve three (C706, 12.6.4.9). */
export const MAX_METHODS = 65_533
/** Most fields of one struct or one method. Our choice: far above what people write. */
export const MAX_FIELDS = 1000
/** Most names of an enumeration. Fixed by the protocol: an NDR enum is a 16-bit integer up to 32767 (C706, 14.2.5). */
export const MAX_ENUM = 32_768
/** Deepest nesting of types. Our choice: bounds the recursion of every marshaller. */
export const MAX_DEPTH = 32
/** Longest array of fixed length, `items`. Our choice: more is better said by a count. */
export const MAX_FIXED = 65_536
/** What a description from a peer may hold, all its contracts together. Our choice: far above what people write. */
export const MAX_DESCRIBED_CONTRACTS = 256
export const MAX_DESCRIBED_METHODS = 4096
/** Types, and names of enumerations. */
export const MAX_DESCRIBED_TYPES = 65_536
/** Items of all arrays of fixed length, which have a value of their own even where nothing is sent. */
export const MAX_DESCRIBED_FIXED = 1_048_576
