#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/mqtt.py against as much of an MQTT 3.1.1 broker as takes its messages.

    test-mqtt.py MQTT.PY
"""
import json
import socket
import subprocess
import sys
import threading

received = []


def read(stream, n):
    data = stream.read(n)
    if len(data) < n:
        raise EOFError
    return data


def serve(client):
    """CONNECT, PUBLISH with QoS 1, DISCONNECT."""
    stream = client.makefile("rwb")
    try:
        while True:
            kind, length, shift = read(stream, 1)[0], 0, 0
            while True:
                byte = read(stream, 1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = read(stream, length)
            if kind >> 4 == 1:
                stream.write(bytes((0x20, 2, 0, 0)))
            elif kind >> 4 == 3:
                n = int.from_bytes(body[:2], "big")
                received.append((body[2:2 + n].decode(), json.loads(body[4 + n:])))
                stream.write(bytes((0x40, 2)) + body[2 + n:4 + n])
            stream.flush()
    except (EOFError, OSError):
        client.close()


def accept(server):
    while True:
        try:
            serve(server.accept()[0])
        except OSError:
            return


def run(*args):
    return subprocess.run([sys.executable, sys.argv[1], *args], capture_output=True, text=True, check=False, timeout=100)


def main():
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(server,), daemon=True).start()
    port = server.getsockname()[1]
    p = run(f"127.0.0.1:{port}", "the back door", "--test")
    topics = [topic for topic, _ in received]
    expected = [f"3dcnn/the back door/{kind}" for kind in ("result", "event-start", "event-end", "summary")]
    if p.returncode or topics != expected or received[1][1]["label"] != "pan left" \
            or received[0][1]["source"] != "the back door":
        sys.exit(f"{p.returncode} {p.stderr} {received}")
    # Nobody listens at a port that was just given back.
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    failures = [(f"127.0.0.1:{free}", "door", "--test"), (f"127.0.0.1:{port}", "a/door", "--test"),
                (f"127.0.0.1:{port}", "door", "/nonexistent/a video.avi")]
    for args in failures:
        p = run(*args)
        if p.returncode != 1 or not p.stderr or "Traceback" in p.stderr:
            sys.exit(f"{args}: {p.returncode} {p.stderr}")


main()
