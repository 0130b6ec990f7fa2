"""A client of the calculator and the file store of `npm run peer:dcom`, made with impacket. Prints one JSON object."""

import json

from impacket.dcerpc.v5.dcomrt import (
    DCERPCSessionError,  # impacket looks for it in the module of a call
    DCOMANSWER,
    DCOMCALL,
    PMInterfacePointer,
)
from impacket.dcerpc.v5.dtypes import LPWSTR, ULONG, ULONGLONG, USHORT, WSTR
from impacket.dcerpc.v5.ndr import NDRSTRUCT
from impacket.uuid import string_to_bin, uuidtup_to_bin

from impacket_objects import CountedBytes, call, interface_of, opened, reference

CALCULATOR = uuidtup_to_bin(("5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01", "0.0"))
STORE = uuidtup_to_bin(("15ccccaf-2731-5c0a-86b7-87b9cbfbe535", "0.0"))
FILE = uuidtup_to_bin(("831b5c7e-d9b1-5c31-936b-8c3fe2d2363e", "0.0"))


class Entry(NDRSTRUCT):
    structure = (("name", LPWSTR), ("kind", USHORT), ("size", ULONGLONG), ("modified", ULONGLONG))


class Add(DCOMCALL):
    opnum = 3
    structure = (("a", ULONG), ("b", ULONG))


class AddResponse(DCOMANSWER):
    structure = (("result", ULONG), ("ErrorCode", ULONG))


class Stat(DCOMCALL):
    opnum = 3
    structure = (("path", WSTR),)


class StatResponse(DCOMANSWER):
    structure = (("result", Entry), ("ErrorCode", ULONG))


class Open(DCOMCALL):
    opnum = 5
    structure = (("path", WSTR),)


class OpenResponse(DCOMANSWER):
    structure = (("result", PMInterfacePointer), ("ErrorCode", ULONG))


class Read(DCOMCALL):
    opnum = 3
    structure = (("offset", ULONGLONG), ("length", ULONG))


class ReadResponse(DCOMANSWER):
    structure = (("result", CountedBytes), ("ErrorCode", ULONG))


def activated(clsid, iid):
    connection = opened()
    return connection, connection.CoCreateInstanceEx(clsid, iid)


def calculate():
    connection, calculator = activated(string_to_bin("9d1f5c0a-0000-4000-8000-000000000001"), CALCULATOR)
    answer = {
        "add": call(calculator, CALCULATOR, Add(), a=40, b=2)["result"],
        "wraps": call(calculator, CALCULATOR, Add(), a=0xFFFFFFFF, b=1)["result"],
    }
    calculator.RemRelease()
    connection.disconnect()
    return answer


def read():
    connection, store = activated(STORE[:-4], STORE)
    file = interface_of(store, reference(call(store, STORE, Open(), path="/note.txt\0")["result"]))
    answer = {
        "size": call(store, STORE, Stat(), path="/note.txt\0")["result"]["size"],
        "read": b"".join(call(file, FILE, Read(), offset=8, length=100)["result"]["items"]).decode(),
    }
    try:
        call(store, STORE, Stat(), path="/missing\0")
    except DCERPCSessionError as error:
        answer["missing"] = error.get_error_code()
    file.RemRelease()
    store.RemRelease()
    connection.disconnect()
    return answer


print(json.dumps(calculate() | read()))
