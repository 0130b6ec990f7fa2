"""Samba's NDR packer at the other end of a pipe: one question a line, as JSON, and one answer a line.

A question: {"class": "echo.EchoData", "part": "in" | "out" | "struct", "big": bool, "value": {...}, "bytes": hex}
  value  attributes to set, in order; an object with "$" is an instance of that class, made from "$of" or
         filled attribute by attribute; one with "$int" is a long integer
  bytes  what another packer made of the same value
The answer: {"packed": hex of the value, "again": hex of what the bytes were unpacked to and packed again}, or {"error": text}.
"""
import importlib
import json
import sys


def class_of(name):
    module, name = name.split('.')
    return getattr(importlib.import_module('samba.dcerpc.' + module), name)


def value_of(value):
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if not isinstance(value, dict):
        return value
    if '$int' in value:
        return int(value['$int'])
    if '$of' in value:
        return class_of(value['$'])(value_of(value['$of']))
    return filled(class_of(value['$'])(), value)


def filled(instance, attributes):
    for name, value in attributes.items():
        if name != '$':
            setattr(instance, name, value_of(value))
    return instance


def answer(question):
    make = class_of(question['class'])
    part, value, stub = question['part'], question['value'], bytes.fromhex(question['bytes'])
    if part == 'struct':
        again = make()
        again.__ndr_unpack__(stub)
        return {'packed': value_of(value).__ndr_pack__().hex(), 'again': again.__ndr_pack__().hex()}
    flags = {'bigendian': question['big'], 'ndr64': False}
    packed = getattr(filled(make(), value), f'__ndr_pack_{part}__')(**flags)
    # Sizes and discriminants of results may be among the arguments, which are known to whoever unpacks.
    again = filled(make(), {name: of for name, of in value.items() if name.startswith('in_')} if part == 'out' else {})
    getattr(again, f'__ndr_unpack_{part}__')(stub, **flags)
    return {'packed': packed.hex(), 'again': getattr(again, f'__ndr_pack_{part}__')(**flags).hex()}


for line in sys.stdin:
    try:
        said = answer(json.loads(line))
    except Exception as error:  # Whatever it is, the other side reports it with the question.
        said = {'error': f'{type(error).__name__}: {error}'}
    print(json.dumps(said), flush=True)
