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
      invite: method({ remUnknown: t.guid }, t.struct({ token: t.guid })),
      returned: method({}, t.void),
    },
  ),
  // MS-DCOM 3.1.1.5.6.
  contract('IRemUnknown', { version: '0.0', uuid: '00000131-0000-0000-c000-000000000046' }, remUnknown()),
  // MS-DCOM 3.1.1.5.7.
  contract(
    'IRemUnknown2',
    { version: '0.0', uuid: '00000143-0000-0000-c000-000000000046' },
    {
      ...remUnknown(),
      RemQueryInterface2: method(
        { ipid: t.guid, count: t.uint16, iids: idl.array(t.guid, { size: 'count' }) },
        idl.out({
          hresults: idl.array(idl.status, { size: true }),
          interfaces: idl.array(t.optional(interfacePointer()), { size: true }),
        }),
      ),
    },
  ),
]

function remUnknown() {
  return {
    RemQueryInterface: method(
      { ipid: t.guid, references: t.uint32, count: t.uint16, iids: idl.array(t.guid, { size: 'count' }) },
      idl.out({ results: idl.box(idl.array(queryResult(), { size: true })) }),
    ),
    RemAddRef: method(
      { count: t.uint16, refs: idl.array(interfaceRef(), { size: 'count' }) },
      idl.out({ results: idl.array(idl.status, { size: true }) }),
    ),
    RemRelease: method({ count: t.uint16, refs: idl.array(interfaceRef(), { size: 'count' }) }, t.void),
  }
}

/** REMQIRESULT with its STDOBJREF (MS-DCOM 2.2.24, 2.2.18.2). */
function queryResult() {
  const std = t.struct({ flags: t.uint32, publicRefs: t.uint32, oxid: t.uint64, oid: t.uint64, ipid: t.guid })
  return t.struct({ hresult: idl.status, std })
}

/** MInterfacePointer (MS-DCOM 2.2.14). */
function interfacePointer() {
  return t.struct({ size: t.uint32, objref: idl.bytes({ size: 'size' }) })
}

/** REMINTERFACEREF (MS-DCOM 2.2.23). */
function interfaceRef(): ReturnType<typeof t.struct> {
  return t.struct({ ipid: t.guid, publicRefs: t.uint32, privateRefs: t.uint32 })
}
