"""A DCOM client on port 135 of this machine, made with impacket, without authentication. Prints one JSON object."""

import json
import logging
from threading import current_thread

from impacket.dcerpc.v5.dcomrt import (
    CLSID_ActivationPropertiesIn,
    DCERPCSessionError,  # impacket looks for it in the module of a call
    DCOMANSWER,
    DCOMCALL,
    FLAGS_OBJREF_CUSTOM,
    IActivation,
    IID,
    IID_ARRAY,
    IID_IClassFactory,
    IID_IRemUnknown2,
    INTERFACE,
    IObjectExporter,
    IRemoteSCMActivator,
    DCOMConnection,
    OBJREF_CUSTOM,
    OBJREF_STANDARD,
    PMInterfacePointer,
    PMInterfacePointer_ARRAY,
)
from impacket.dcerpc.v5.dtypes import DOUBLE, GUID, LONG, LPWSTR, SHORT, ULONG, ULONGLONG, USHORT, WSTR
from impacket.dcerpc.v5.ndr import NDRBOOLEAN, NDRPOINTER, NDRSTRUCT, NDRUniConformantArray, NDRUSMALL
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_NONE, DCERPCException
from impacket.uuid import generate, string_to_bin, uuidtup_to_bin

from impacket_objects import TARGET, CountedBytes, call, interface_of, opened, reference

CLASS = string_to_bin("9d1f5c0a-0000-4000-8000-000000000002")
SAMPLER = uuidtup_to_bin(("5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c02", "0.0"))
LISTENER = uuidtup_to_bin(("5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c03", "0.0"))
NOBODY = uuidtup_to_bin(("5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1cff", "0.0"))

complaints = []


class Complaints(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())


logging.getLogger("impacket").addHandler(Complaints())


class Values(NDRSTRUCT):
    structure = (
        ("small", NDRUSMALL),
        ("short", SHORT),
        ("long", ULONG),
        ("hyper", ULONGLONG),
        ("real", DOUBLE),
        ("yes", NDRBOOLEAN),
    )


class Point(NDRSTRUCT):
    structure = (("x", LONG), ("y", DOUBLE), ("name", LPWSTR))


class Longs(NDRUniConformantArray):
    item = "<L"


class PointerToLongs(NDRPOINTER):
    referent = (("Data", Longs),)


class CountedLongs(NDRSTRUCT):
    structure = (("count", ULONG), ("items", PointerToLongs))


class Scalars(DCOMCALL):
    opnum = 3
    structure = Values.structure


class ScalarsResponse(DCOMANSWER):
    structure = (("result", Values), ("ErrorCode", ULONG))


class Greet(DCOMCALL):
    opnum = 4
    structure = (("name", WSTR),)


class GreetResponse(DCOMANSWER):
    structure = (("result", WSTR), ("ErrorCode", ULONG))


class Mirror(DCOMCALL):
    opnum = 5
    structure = (("point", Point),)


class MirrorResponse(DCOMANSWER):
    structure = (("result", Point), ("ErrorCode", ULONG))


class Sort(DCOMCALL):
    opnum = 6
    structure = (("numbers", CountedLongs),)


class SortResponse(DCOMANSWER):
    structure = (("result", CountedLongs), ("ErrorCode", ULONG))


class Reverse(DCOMCALL):
    opnum = 7
    structure = (("bytes", CountedBytes),)


class ReverseResponse(DCOMANSWER):
    structure = (("result", CountedBytes), ("ErrorCode", ULONG))


class Child(DCOMCALL):
    opnum = 8
    structure = ()


class ChildResponse(DCOMANSWER):
    structure = (("result", PMInterfacePointer), ("ErrorCode", ULONG))


class Listen(DCOMCALL):
    opnum = 9
    structure = (("listener", PMInterfacePointer),)


class ListenResponse(DCOMANSWER):
    structure = (("ErrorCode", ULONG),)


class Fail(DCOMCALL):
    opnum = 10
    structure = ()


class FailResponse(DCOMANSWER):
    structure = (("ErrorCode", ULONG),)


class Unknown(DCOMCALL):
    opnum = 99
    structure = ()


class UnknownResponse(DCOMANSWER):
    structure = (("ErrorCode", ULONG),)


class Heard(DCOMCALL):
    opnum = 3
    structure = (("text", WSTR),)


class HeardResponse(DCOMANSWER):
    structure = (("ErrorCode", ULONG),)


class RemQueryInterface2(DCOMCALL):
    """MS-DCOM 3.1.1.5.7.1.1, which impacket has not."""

    opnum = 6
    structure = (("ripid", GUID), ("cIids", USHORT), ("iids", IID_ARRAY))


class RemQueryInterface2Response(DCOMANSWER):
    structure = (("phr", Longs), ("ppMIF", PMInterfacePointer_ARRAY), ("ErrorCode", ULONG))


class CreateInstance(DCOMCALL):
    opnum = 3
    structure = (("iid", GUID),)


class CreateInstanceResponse(DCOMANSWER):
    structure = (("result", PMInterfacePointer), ("ErrorCode", ULONG))


def refusal(run):
    try:
        run()
    except DCERPCException as error:
        return error.get_error_code() or str(error)
    return None


def counted(of, items):
    value = of()
    value["count"] = len(items)
    value["items"] = items
    return value


def values(sampler):
    scalars = call(
        sampler, SAMPLER, Scalars(), small=200, short=-2, long=4_000_000_000, hyper=2**63 + 1, real=0.5, yes=1
    )["result"]
    point = Point()
    point["x"] = 5
    point["y"] = -1.5
    point["name"] = "p\0"
    mirrored = call(sampler, SAMPLER, Mirror(), point=point)["result"]
    large = bytes(i % 251 for i in range(300_000))
    pieces = [large[i : i + 1] for i in range(len(large))]
    reversed_ = call(sampler, SAMPLER, Reverse(), bytes=counted(CountedBytes, pieces))["result"]["items"]
    return {
        "scalars": [str(scalars[name]) for name in ("small", "short", "long", "hyper", "real", "yes")],
        "greet": call(sampler, SAMPLER, Greet(), name="wörld\0")["result"],
        "mirror": [mirrored[name] for name in ("x", "y", "name")],
        "sort": list(call(sampler, SAMPLER, Sort(), numbers=counted(CountedLongs, [3, 1, 2]))["result"]["items"]),
        "reverse": b"".join(reversed_) == large[::-1],
        "fail": refusal(lambda: call(sampler, SAMPLER, Fail())),
        "unknownOpnum": refusal(lambda: call(sampler, SAMPLER, Unknown())),
        "nobody": refusal(lambda: sampler.request(Child(), SAMPLER, generate())),
    }


def foreign_reference():
    """To an object that this client would have to serve, which impacket cannot."""
    objref = OBJREF_STANDARD()
    objref["iid"] = LISTENER[:-4]
    objref["std"]["flags"] = 0
    objref["std"]["cPublicRefs"] = 5
    objref["std"]["oxid"] = 0x1234
    objref["std"]["oid"] = 0x5678
    objref["std"]["ipid"] = generate()
    strings = b"\x07\0" + "127.0.0.1[9]".encode("utf-16le") + b"\0\0\0\0"
    count = len(strings) // 2 + 2
    objref["saResAddr"] = count.to_bytes(2, "little") + (count - 2).to_bytes(2, "little") + strings + bytes(4)
    return objref.getData()


def custom_reference():
    objref = OBJREF_CUSTOM()
    objref["iid"] = LISTENER[:-4]
    objref["clsid"] = CLSID_ActivationPropertiesIn
    objref["pObjectData"] = b"\0" * 8
    objref["ObjectReferenceSize"] = 16
    return objref.getData()


def references(sampler):
    child = reference(call(sampler, SAMPLER, Child())["result"])
    held = interface_of(sampler, child)
    heard = call(held, LISTENER, Heard(), text="this\0")["ErrorCode"]

    def listen(objref):
        request = Listen()
        request["listener"]["ulCntData"] = len(objref)
        request["listener"]["abData"] = [objref[i : i + 1] for i in range(len(objref))]
        return refusal(lambda: call(sampler, SAMPLER, request))

    answer = {
        "heard": heard,
        "home": listen(child),
        "callback": listen(foreign_reference()),
        "custom": listen(custom_reference()),
        "garbage": listen(b"no reference at all"),
        "added": held.RemAddRef()["ErrorCode"],
    }
    ping()
    held.RemRelease()
    answer["afterOne"] = call(held, LISTENER, Heard(), text="again\0")["ErrorCode"]
    held.RemRelease()
    answer["afterAll"] = refusal(lambda: call(held, LISTENER, Heard(), text="too late\0"))
    return answer


def queried(sampler):
    listener = sampler.RemQueryInterface(1, (LISTENER[:-4],))
    answer = {
        "heard": call(listener, LISTENER, Heard(), text="that\0")["ErrorCode"],
        "missing": refusal(lambda: sampler.RemQueryInterface(1, (NOBODY[:-4],))),
        "released": listener.RemRelease()["ErrorCode"],
    }
    return answer


def queried_again(sampler):
    """By the method of IRemUnknown2, which answers with references."""

    def ask(*iids):
        request = RemQueryInterface2()
        request["ripid"] = sampler.get_iPid()
        request["cIids"] = len(iids)
        for wanted in iids:
            iid = IID()
            iid["Data"] = wanted[:-4]
            request["iids"].append(iid)
        return sampler.request(request, IID_IRemUnknown2, sampler.get_ipidRemUnknown())

    answer = ask(LISTENER, SAMPLER)
    listener, same = (interface_of(sampler, reference(each)) for each in answer["ppMIF"])
    return {
        "results": list(answer["phr"]),
        "heard": call(listener, LISTENER, Heard(), text="this too\0")["ErrorCode"],
        "greet": call(same, SAMPLER, Greet(), name="again\0")["result"],
        "missing": refusal(lambda: ask(NOBODY)),
        "released": [each.RemRelease()["ErrorCode"] for each in (listener, same)],
    }


def ping():
    """What its timer does every two minutes."""
    DCOMConnection.PINGTIMER.cancel()
    DCOMConnection.pingServer()


def pings():
    sets = DCOMConnection.OID_SET[TARGET]
    first = sets["setid"]
    for _ in range(2):
        ping()
    return {"same": first != 0 and sets["setid"] == first, "objects": len(sets["oids"])}


def end(connection):
    """impacket takes for granted that something was activated, and that its timer was started with that."""
    DCOMConnection.OID_SET.setdefault(TARGET, {})
    INTERFACE.CONNECTIONS.setdefault(TARGET, {}).setdefault(current_thread().name, {})
    connection.disconnect()


def activation():
    connection = opened()
    old = IActivation(connection.get_dce_rpc()).RemoteActivation(CLASS, SAMPLER[:-4])
    old.get_cinstance().set_auth_level(RPC_C_AUTHN_LEVEL_NONE)
    greeted = call(old, SAMPLER, Greet(), name="you\0")["result"]
    released = old.RemRelease()["ErrorCode"]
    end(connection)

    connection = opened()
    factory = IRemoteSCMActivator(connection.get_dce_rpc()).RemoteGetClassObject(CLASS, IID_IClassFactory[:-4])
    wanted = CreateInstance()
    wanted["iid"] = SAMPLER[:-4]
    made = interface_of(
        factory, reference(factory.request(wanted, IID_IClassFactory, factory.get_iPid())["result"])
    )
    by_factory = call(made, SAMPLER, Greet(), name="you\0")["result"]
    releases = [made.RemRelease()["ErrorCode"], factory.RemRelease()["ErrorCode"]]
    end(connection)

    refused = {}
    for name, clsid, iid in (("class", NOBODY[:-4], SAMPLER[:-4]), ("interface", CLASS, NOBODY[:-4])):
        connection = opened()
        refused[name] = refusal(lambda: connection.CoCreateInstanceEx(clsid, iid))
        end(connection)
    return {"old": [greeted, released], "factory": [by_factory, *releases], "refused": refused}


def resolver(oxid):
    connection = opened()
    exporter = IObjectExporter(connection.get_dce_rpc())
    addresses = lambda found: [each["aNetworkAddr"] for each in found]
    answer = {
        "alive": exporter.ServerAlive()["ErrorCode"],
        "alive2": addresses(exporter.ServerAlive2()),
        "resolved": addresses(exporter.ResolveOxid(oxid, (7,))),
        "resolved2": addresses(exporter.ResolveOxid2(oxid, (7, 15))),
        "unknown": refusal(lambda: exporter.ResolveOxid(oxid ^ 1, (7,))),
        "otherProtocol": refusal(lambda: exporter.ResolveOxid(oxid, (15,))),
        "noSet": refusal(lambda: exporter.SimplePing(0)),
    }
    connection.get_dce_rpc().disconnect()
    return answer


def main():
    connection = opened()
    sampler = connection.CoCreateInstanceEx(CLASS, SAMPLER)
    answer = {
        "values": values(sampler),
        "references": references(sampler),
        "queried": queried(sampler),
        "queriedAgain": queried_again(sampler),
        "pings": pings(),
    }
    # The connection of the resolver was replaced with each ping; the object is still there.
    answer["afterwards"] = call(sampler, SAMPLER, Greet(), name="you\0")["result"]
    oxid = sampler.get_oxid()
    answer["released"] = sampler.RemRelease()["ErrorCode"]
    ping()
    end(connection)
    answer["activation"] = activation()
    keeper = opened()
    kept = keeper.CoCreateInstanceEx(CLASS, SAMPLER)
    answer["resolver"] = resolver(kept.get_oxid())
    end(keeper)
    print(json.dumps(answer | {"complaints": complaints}))


main()
