# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs whose standard error is a terminal of 100 columns."""
import fcntl
import os
import pty
import struct
import subprocess
import termios


class OnTerminal:
    """A program that runs; text is what it has written to the terminal so far."""

    def __init__(self, *command):
        self.end, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=end)
        os.close(end)
        self.text = ""

    def read(self):
        """More of the text; False at its end."""
        try:
            data = os.read(self.end, 4096)
        except OSError:  # what Linux says once nobody has the other end
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def read_until(self, expected):
        while expected not in self.text and self.read():
            pass

    def finish(self):
        """The exit status, once all is read."""
        while self.read():
            pass
        os.close(self.end)
        return self.process.wait(timeout=60)

    def lines(self):
        """Every state of the line that stays in place."""
        return self.text.split("\r\033[K")


def run_on_terminal(*command):
    program = OnTerminal(*command)
    return program.finish(), program.lines()
