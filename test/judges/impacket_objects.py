"""What the clients of DCOM objects that are made with impacket have in common."""

from impacket.dcerpc.v5.dcomrt import INTERFACE, DCOMConnection, IRemUnknown2
from impacket.dcerpc.v5.dtypes import ULONG
from impacket.dcerpc.v5.ndr import NDRPOINTER, NDRSTRUCT, NDRUniConformantArray
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_NONE

TARGET = "127.0.0.1"


class Bytes(NDRUniConformantArray):
    item = "c"


class PointerToBytes(NDRPOINTER):
    referent = (("Data", Bytes),)


class CountedBytes(NDRSTRUCT):
    structure = (("count", ULONG), ("items", PointerToBytes))


def opened():
    return DCOMConnection(TARGET, "", "", "", authLevel=RPC_C_AUTHN_LEVEL_NONE, oxidResolver=True)


def call(interface, iid, request, **fields):
    for name, value in fields.items():
        request[name] = value
    return interface.request(request, iid, interface.get_iPid())


def reference(pointer):
    """The bytes of the reference that an answer holds."""
    return b"".join(pointer["abData"])


def interface_of(parent, objref):
    """What impacket makes of a reference in an answer."""
    made = INTERFACE(parent.get_cinstance(), objref, parent.get_ipidRemUnknown(), target=TARGET)
    return IRemUnknown2(made)
