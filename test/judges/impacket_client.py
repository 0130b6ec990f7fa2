"""A client of rpcecho, mgmt and epmapper on port 135 of this machine, made with impacket. Prints one JSON object."""

import json

from impacket.dcerpc.v5 import epm, mgmt, transport
from impacket.dcerpc.v5.dtypes import LPWSTR, ULONG, USHORT, WSTR
from impacket.dcerpc.v5.ndr import (
    NDRCALL,
    NDRHYPER,
    NDRPOINTER,
    NDRSTRUCT,
    NDRUNION,
    NDRUniConformantArray,
)
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import bin_to_uuidtup, uuidtup_to_bin

RPCECHO = uuidtup_to_bin(("60a15ec5-4de8-11d7-a637-005056a20182", "1.0"))


class Bytes(NDRUniConformantArray):
    item = "c"


class Shorts(NDRUniConformantArray):
    item = "<H"


class AddOne(NDRCALL):
    opnum = 0
    structure = (("in_data", ULONG),)


class AddOneResponse(NDRCALL):
    structure = (("out_data", ULONG),)


class EchoData(NDRCALL):
    opnum = 1
    structure = (("len", ULONG), ("in_data", Bytes))


class EchoDataResponse(NDRCALL):
    structure = (("out_data", Bytes),)


class SinkData(NDRCALL):
    opnum = 2
    structure = (("len", ULONG), ("data", Bytes))


class SinkDataResponse(NDRCALL):
    structure = ()


class SourceData(NDRCALL):
    opnum = 3
    structure = (("len", ULONG),)


class SourceDataResponse(NDRCALL):
    structure = (("data", Bytes),)


class TestCall(NDRCALL):
    opnum = 4
    structure = (("s1", WSTR),)


class TestCallResponse(NDRCALL):
    structure = (("s2", LPWSTR),)


class Long(NDRSTRUCT):
    structure = (("v", ULONG),)


class Hyper(NDRSTRUCT):
    structure = (("v", NDRHYPER),)


class Info(NDRUNION):
    # impacket aligns the arms of a union to 4 bytes at least, so it cannot read those with shorter members.
    union = {3: ("info3", Long), 4: ("info4", Hyper)}


class TestCall2(NDRCALL):
    opnum = 5
    structure = (("level", USHORT),)


class TestCall2Response(NDRCALL):
    structure = (("info", Info), ("ErrorCode", ULONG))


class Surrounding(NDRSTRUCT):
    structure = (("x", ULONG), ("surrounding", Shorts))


class TestSurrounding(NDRCALL):
    opnum = 8
    structure = (("data", Surrounding),)


class TestSurroundingResponse(NDRCALL):
    structure = (("data", Surrounding),)


class PointerToShort(NDRPOINTER):
    referent = (("Data", USHORT),)


class PointerToPointer(NDRPOINTER):
    referent = (("Data", PointerToShort),)


class TestDoublePointer(NDRCALL):
    opnum = 9
    structure = (("data", PointerToPointer),)


class TestDoublePointerResponse(NDRCALL):
    structure = (("ErrorCode", USHORT),)


class Unknown(NDRCALL):
    opnum = 99
    structure = ()


def connected(interface):
    dce = transport.DCERPCTransportFactory("ncacn_ip_tcp:127.0.0.1[135]").get_dce_rpc()
    dce.connect()
    dce.bind(interface)
    return dce


def call(dce, request, **fields):
    for name, value in fields.items():
        request[name] = value
    return dce.request(request, checkError=False)


def refusal(run):
    try:
        run()
    except DCERPCException as error:
        return error.get_error_code() or str(error)
    except Exception as error:
        return type(error).__name__
    return None


def echo():
    dce = connected(RPCECHO)
    large = bytes(i % 251 for i in range(40_000))
    surrounding = Surrounding()
    surrounding["x"] = 3
    surrounding["surrounding"] = [1, 2, 3]
    level = {}
    for number in (3, 4):
        level[number] = call(dce, TestCall2(), level=number)["info"]["info%d" % number]["v"]
    answer = {
        "addOne": call(dce, AddOne(), in_data=41)["out_data"],
        "echoData": b"".join(call(dce, EchoData(), len=len(large), in_data=list(large_items(large)))["out_data"]) == large,
        "sinkData": call(dce, SinkData(), len=5, data=[b"x"] * 5) is not None,
        "sourceData": b"".join(call(dce, SourceData(), len=9)["data"]).hex(),
        "testCall": call(dce, TestCall(), s1="input string\0")["s2"],
        "testCall2": level,
        "testSurrounding": call(dce, TestSurrounding(), data=surrounding)["data"]["x"],
        "testDoublePointer": call(dce, TestDoublePointer(), data=12)["ErrorCode"],
        "unknownOpnum": refusal(lambda: dce.request(Unknown())),
        "afterwards": call(dce, AddOne(), in_data=1)["out_data"],
    }
    dce.disconnect()
    return answer


def large_items(data):
    return (data[i : i + 1] for i in range(len(data)))


def small_fragments():
    dce = connected(RPCECHO)
    dce.set_max_fragment_size(16)
    answer = call(dce, EchoData(), len=100, in_data=[b"y"] * 100)["out_data"]
    dce.disconnect()
    return b"".join(answer) == b"y" * 100


def management():
    dce = connected(mgmt.MSRPC_UUID_MGMT)
    vector = mgmt.hinq_if_ids(dce)["if_id_vector"]
    answer = {
        "interfaces": ["%s %s" % bin_to_uuidtup(one["Data"].getData()) for one in vector["if_id"]],
        "statistics": len(mgmt.hinq_stats(dce)["statistics"]),
        "listening": mgmt.his_server_listening(dce)["status"],
        "stop": refusal(lambda: mgmt.hstop_server_listening(dce)),
        "name": mgmt.hinq_princ_name(dce)["status"],
    }
    dce.disconnect()
    return answer


def endpoints():
    entries = epm.hept_lookup("127.0.0.1")
    return {
        "lookup": sorted(
            "%s %s" % (entry["annotation"].rstrip(b"\0").decode(), epm.PrintStringBinding(entry["tower"]["Floors"]))
            for entry in entries
        ),
        "map": epm.hept_map("127.0.0.1", RPCECHO, protocol="ncacn_ip_tcp"),
        "nobody": refusal(lambda: epm.hept_map("127.0.0.1", uuidtup_to_bin(("11111111-2222-3333-4444-555555555555", "1.0")))),
    }


def contexts():
    """Several contexts on one connection, and the same context id for other interfaces."""
    dce = connected(epm.MSRPC_UUID_PORTMAP)
    other = dce.alter_ctx(mgmt.MSRPC_UUID_MGMT)
    listening = mgmt.his_server_listening(other)["status"]
    again = refusal(lambda: dce.alter_ctx(mgmt.MSRPC_UUID_MGMT))
    nobody = refusal(lambda: dce.alter_ctx(uuidtup_to_bin(("11111111-2222-3333-4444-555555555555", "1.0"))))
    still = mgmt.his_server_listening(other)["status"]
    reused = refusal(lambda: dce.alter_ctx(epm.MSRPC_UUID_PORTMAP))
    gone = refusal(lambda: dce.alter_ctx(mgmt.MSRPC_UUID_MGMT))
    return {
        "listening": listening,
        "again": again,
        "nobody": nobody.split(":")[0],
        "still": still,
        "reused": reused,
        "gone": gone is not None,
    }


def bogus():
    """A bind of twenty contexts of which the last is real."""
    dce = transport.DCERPCTransportFactory("ncacn_ip_tcp:127.0.0.1[135]").get_dce_rpc()
    dce.connect()
    dce.bind(RPCECHO, bogus_binds=20)
    return call(dce, AddOne(), in_data=9)["out_data"]


if __name__ == "__main__":
    import sys

    parts = {"contexts": contexts}
    if "--contexts-only" not in sys.argv:
        parts.update(echo=echo, smallFragments=small_fragments, management=management, endpoints=endpoints, bogus=bogus)
    print(json.dumps({name: part() for name, part in parts.items()}))
