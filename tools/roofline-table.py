#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""roofline-table.py 3DCNN [FILE [--update]]

Prints the predicted cost of all networks of the paper as a table for doc/gpu.md. With that FILE, fails if
the table in it is another one; --update replaces it.
"""

import json
import subprocess
import sys

BEGIN = "<!-- made by tools/roofline-table.py -->\n"
END = "<!-- end -->\n"


def rooflines(tool, clips):
    out = subprocess.run([tool, "info", "--roofline", "--batch", str(clips), "--json"], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)


def table(tool):
    lines = []
    for network, batch in zip(rooflines(tool, 1), rooflines(tool, 8)):
        one, eight = network["roofline"], batch["roofline"]
        if not lines:
            head = ["network", "launches", "MB", "MMAC published", "MMAC computed"] + [d["name"] for d in one["devices"]]
            lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        row = [f"{network['architecture']} {float(network['width'])}x", str(one["launches"]),
               f"{one['bytes'] / 1e6:.1f} / {eight['bytes'] / 8e6:.1f}", f"{one['macs'] / 1e6:.0f}",
               f"{(one['dense_macs'] + one['other_macs']) / 1e6:.0f}"]
        for a, b in zip(one["devices"], eight["devices"]):
            row.append(f"{a['memory_us']:.0f}, {a['compute_us']:.0f} / {b['memory_us'] / 8:.0f}, {b['compute_us'] / 8:.0f}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main():
    made = table(sys.argv[1])
    if len(sys.argv) < 3:
        print(made, end="")
        return 0
    with open(sys.argv[2], encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN, 1)
    found, after = rest.split(END, 1)
    if sys.argv[3:] == ["--update"]:
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(before + BEGIN + "\n" + made + "\n" + END + after)
    elif found.strip() != made.strip():
        print(f"{sys.argv[2]} has another table than this program makes:\n{made}\nUpdate it by:"
              f" tools/roofline-table.py {' '.join(sys.argv[1:3])} --update")
        return 1
    return 0


sys.exit(main())
