/**
 * What the fuzzer uses of the insides of the layers, beside their doors: the decoder of PDUs alone, marshallers that are
 * interpreted, PDUs as a foreign peer writes them, and the generators of the tests. Nothing else in this folder reaches past a door.
 */
export {
  encodeBind,
  encodeBindAck,
  encodeBindNak,
  RESULT,
} from '../src/rpc/pdu/bind.ts'
export { writeFault, writeRequest, writeResponse } from '../src/rpc/pdu/call.ts'
export { PduCutter } from '../src/rpc/pdu/cutter.ts'
export { encodeBare, PFC, pduBytes, WHOLE } from '../src/rpc/pdu/header.ts'
export { featureSyntax, NDR20, NO_SYNTAX } from '../src/rpc/pdu/syntax.ts'
export { PDUS } from '../src/rpc/pdu/table.ts'
export { wireOfOperation } from '../src/rpc/ndr/lower.ts'
export { type Marshaller, marshalArguments, marshalResult } from '../src/rpc/ndr/marshal.ts'
export { type Sample, samples } from '../src/rpc/ndr/samples.test.ts'
export { CountedAbort } from '../src/testing/sim/counted-abort.ts'
export { SimRandom } from '../src/testing/sim/random.ts'
