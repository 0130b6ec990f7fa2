import { type Contract, contract, method, t } from '../rpc/index.ts'

const { idl } = t

/** Any object: what activation returns. */
const OBJECT: Contract = contract('busbar.Object', { version: '1.0' }, { unused: method({}, t.void) })

/** Interfaces of every association (docs/protocol/objects.md): the activator, and the one that counts references. */
export const WELL_KNOWN: readonly Contract[] = [
  contract(
    'busbar.Activator',
    { version: '1.0' },
    {
      activate: method(
        { classId: t.guid, interfaceId: t.guid },
        t.struct({ remUnknown: t.guid, object: t.ref(OBJECT) }),
      ),
    },
  ),
  // MS-DCOM 3.1.1.5.6.
  contract(
    'IRemUnknown',
    { version: '0.0', uuid: '00000131-0000-0000-c000-000000000046' },
    {
      RemQueryInterface: method(
        { ipid: t.guid, references: t.uint32, count: t.uint16, iids: idl.array(t.guid, { size: 'count' }) },
        idl.out({ results: idl.box(idl.array(t.uint8, { size: true })) }),
      ),
      RemAddRef: method(
        { count: t.uint16, refs: idl.array(interfaceRef(), { size: 'count' }) },
        idl.out({ results: idl.array(idl.status, { size: true }) }),
      ),
      RemRelease: method({ count: t.uint16, refs: idl.array(interfaceRef(), { size: 'count' }) }, t.void),
    },
  ),
]

/** REMINTERFACEREF (MS-DCOM 2.2.23). */
function interfaceRef(): ReturnType<typeof t.struct> {
  return t.struct({ ipid: t.guid, publicRefs: t.uint32, privateRefs: t.uint32 })
}
