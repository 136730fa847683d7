"""A terminal for tests: a pty whose other side draws what it gets on a screen of rows and columns, as far as aicert draws."""
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    def __init__(self, rows, columns):
        self.rows, self.columns, self.lines, self.y, self.x = rows, columns, [""], 0, 0
        self.unknown = []      # what a real terminal would obey, and we do not know: aicert must not send it
        self.wrapped = 0
        self.rest = b""

    def put(self, c):
        if self.x >= self.columns:
            self.y, self.x, self.wrapped = self.y + 1, 0, self.wrapped + 1
        while len(self.lines) <= self.y:
            self.lines.append("")
        line = self.lines[self.y].ljust(self.x)
        self.lines[self.y] = line[:self.x] + c + line[self.x + 1:]
        self.x += 1

    def sequence(self, arguments, kind):
        n = int(arguments) if arguments.isdigit() else 1
        if kind == "A":
            self.y = max(0, len(self.lines) - self.rows, self.y - n)
        elif kind == "J" and arguments in ("", "0"):
            self.lines[self.y] = self.lines[self.y][:self.x]
            del self.lines[self.y + 1:]
        elif kind == "K" and arguments in ("", "0"):
            self.lines[self.y] = self.lines[self.y][:self.x]
        elif kind != "m":
            self.unknown.append(arguments + kind)

    def feed(self, data):
        data, self.rest = self.rest + data, b""
        while data:
            m = SEQUENCE.match(data)
            if m:
                self.sequence(m[1].decode(), m[2].decode())
                data = data[m.end():]
                continue
            n = 1 if data[0] < 0x80 else 2 if data[0] < 0xe0 else 3 if data[0] < 0xf0 else 4
            if len(data) < n or (data[0] == 0x1b and len(data) < 16 and re.fullmatch(rb"\x1b(\[[?0-9;]*)?", data)):
                self.rest = data
                return
            c = data[:n].decode(errors="replace")
            data = data[n:]
            if c == "\n":
                self.y += 1
                while len(self.lines) <= self.y:
                    self.lines.append("")
            elif c == "\r":
                self.x = 0
            elif ord(c[0]) < 0x20 or 0x7f <= ord(c[0]) < 0xa0:
                self.unknown.append(repr(c))
            else:
                self.put(c)

    def text(self):
        return "\n".join(l.rstrip() for l in self.lines).rstrip("\n")


class Terminal:
    """A command whose standard error (and standard output, unless it is piped) is a terminal."""

    def __init__(self, args, cwd, env, rows=24, columns=80, stdout=None):
        self.fd, theirs = os.openpty()
        self.resize(rows, columns)
        # No translation of line ends but what a terminal does: "\n" goes to the first column.
        self.screen = Screen(rows, columns)
        self.raw = b""
        self.p = subprocess.Popen(args, cwd=cwd, env=env, stdin=theirs, stdout=stdout or theirs, stderr=theirs, start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "screen"):
            self.screen.rows, self.screen.columns = rows, columns

    def read(self, seconds):
        """What came within so many seconds, drawn; False at the end."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.raw += data
        self.screen.feed(data)
        return bool(data)

    def until(self, what, seconds=60):
        """Until what(text of the screen) is true; that text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.screen.text()
            if what(text):
                return text
            if not self.read(0.05):
                break
        text = self.screen.text()
        assert what(text), f"never shown; last:\n{text}"
        return text

    def end(self, seconds=60):
        """The exit code, once all is drawn."""
        end = time.monotonic() + seconds
        while self.read(0.1) and time.monotonic() < end:
            pass
        code = self.p.wait(timeout=max(1, end - time.monotonic()))
        os.close(self.fd)
        return code
