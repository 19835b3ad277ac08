"""What check.c prints, through Python's ctypes: python check.py LIBRARY POSITIONS."""

import ctypes
import struct
import sys
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p

library = ctypes.CDLL(sys.argv[1])
numbers = POINTER(c_double)
signatures = {
    "interface_version": (c_uint32, []),
    "model": (c_char_p, []),
    "cpu": (c_char_p, []),
    "coordinates": (c_char_p, []),
    "dimension": (c_size_t, []),
    "parameter_count": (c_size_t, []),
    "output_count": (c_size_t, []),
    "constraint_count": (c_size_t, []),
    "output_name": (c_char_p, [c_size_t]),
    "output_kind": (c_int, [c_size_t]),
    "constraint_name": (c_char_p, [c_size_t]),
    "new": (c_void_p, []),
    "free": (None, [c_void_p]),
    "log_density": (c_double, [c_void_p, numbers, numbers, numbers, numbers]),
    "constrain": (None, [c_void_p, numbers, numbers]),
    "unconstrain": (c_int, [c_void_p, numbers, numbers]),
    "prior_draw": (None, [c_void_p, c_uint64, c_uint64, numbers]),
    "simulate": (None, [c_void_p, numbers, c_uint64, c_uint32, c_uint64, numbers]),
}
call = {}
for name, (result, arguments) in signatures.items():
    call[name] = getattr(library, "likelier_" + name)
    call[name].restype, call[name].argtypes = result, arguments

words = iter(open(sys.argv[2]).read().split())


def word():
    return int(next(words), 16)


def reals(count):
    return (c_double * count)(*(struct.unpack("<d", struct.pack("<Q", word()))[0] for _ in range(count)))


def show(what, values):
    shown = ("nan" if value != value else struct.pack(">d", value).hex() for value in values)
    print(what, *shown)


assert call["interface_version"]() == 1
dimension, parameters = call["dimension"](), call["parameter_count"]()
outputs, constraints = call["output_count"](), call["constraint_count"]()
print(*(call[name]().decode() for name in ("model", "cpu", "coordinates")))
for i in range(outputs):
    print("output", call["output_name"](i).decode(), call["output_kind"](i))
for i in range(constraints):
    print("constraint", call["constraint_name"](i).decode())
state = call["new"]()
assert state
gradient, parts = (c_double * dimension)(), (c_double * (3 + constraints))()
values, draw = (c_double * parameters)(), (c_double * outputs)()
weights = reals(constraints + 1)
for _ in range(word()):
    seed, chain, number = word(), word(), word()
    position = reals(dimension)
    for what, some in (("density", None), ("weighted", weights)):
        show(what, [call["log_density"](state, position, some, gradient, parts)])
        show("gradient", gradient)
        show("parts", parts)
    call["simulate"](state, position, seed, chain, number, draw)
    show("draw", draw)
    call["constrain"](state, position, values)
    show("values", values)
    print("inside", call["unconstrain"](state, values, position))
    show("position", position)
    call["prior_draw"](state, seed, number, position)
    show("prior", position)
call["free"](state)
