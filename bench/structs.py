# SPDX-License-Identifier: LGPL-2.1-or-later
"""Structs of lib3dcnn's public headers for ctypes, read from the headers themselves, so that they cannot differ.

    python3 bench/structs.py NAME...    # prints "NAME size", then "NAME.field offset" for each field
"""
import ctypes
import glob
import os
import re
import sys

HEADERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib3dcnn", "*.h")
TYPES = {"guint64": ctypes.c_uint64, "gint64": ctypes.c_int64, "gsize": ctypes.c_size_t, "int": ctypes.c_int,
         "gboolean": ctypes.c_int, "double": ctypes.c_double, "float": ctypes.c_float}


def read_headers():
    text = ""
    for path in sorted(glob.glob(HEADERS)):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def read_enum(name):
    """The values of an enum that counts from 0, in their order."""
    body = re.search(r"typedef enum \{([^}]*)\} " + name + ";", read_headers()).group(1)
    if "=" in body:
        raise ValueError(f"{name}: has values of its own")
    return [value.strip() for value in body.split(",") if value.strip()]


def read_struct(name):
    """A subclass of ctypes.Structure. A field of a type that is not known here is an error."""
    text = read_headers()
    match = re.search(r"typedef struct \{([^}]*)\} " + name + ";", text)
    if match is None:
        raise ValueError(f"{name}: no header has it")
    fields = []
    for line in match.group(1).split(";"):
        if not line.strip():
            continue
        field = re.fullmatch(r"\s*(\w+)\s+(\w+)\s*", line)
        if field is None:
            raise ValueError(f"{name}: '{line.strip()}' is not understood")
        kind, field_name = field.groups()
        if kind not in TYPES and not re.search(r"typedef enum \{[^}]*\} " + kind + ";", text):
            raise ValueError(f"{name}: '{kind}' is not known")
        fields.append((field_name, TYPES.get(kind, ctypes.c_int)))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def main():
    for name in sys.argv[1:]:
        struct = read_struct(name)
        print(name, ctypes.sizeof(struct))
        for field, _ in struct._fields_:
            print(f"{name}.{field}", getattr(struct, field).offset)


if __name__ == "__main__":
    main()
