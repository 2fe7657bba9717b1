"""A program on a pseudo terminal of 80 columns: keys go in, and what is on its screen is waited for."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

CTRL_C, CTRL_D, TAB, UP, LEFT = "\x03", "\x04", "\t", "\x1b[A", "\x1b[D"


class Terminal:
    def __init__(self, command, term="xterm", **environment):
        self.seen, self.code = "", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment, TERM=term)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execvp(command[0], command)

    def read(self, seconds):
        """What comes within so many seconds is added to what was seen; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, text, seconds=60):
        """Wait until text comes, and forget what was seen up to it."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            if time.monotonic() > end or (not self.read(0.1) and text not in self.seen):
                self.fail(f"{text!r} does not come")
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self, seconds=60):
        """Wait for the end; the exit code."""
        end = time.monotonic() + seconds
        while self.read(0.1):
            if time.monotonic() > end:
                self.fail("it does not end")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def fail(self, why):
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(f"{why}; seen: {self.seen[-2000:]!r}")
