"""Runs one command for as long as whoever started this script lives; needs nothing but the standard library.

Started with a pipe as its standard input, which the starter holds open. The system closes the pipe however the
starter ends (return, exception, SIGTERM, SIGKILL), and the command is killed then. A signal handler in the starter
could do the first two only.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence


def run_while_input_is_open(command: Sequence[str]) -> int:
    """Run the command until it ends or standard input does; its exit status, negative for a signal."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would be held at the interpreter's end
        child.kill()

    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(run_while_input_is_open(sys.argv[1:]))
