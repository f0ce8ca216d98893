"""Starts commands in processes of their own without the second that each takes to import: they are forked from one that
has read the modules and done nothing else.

`python -m tests.cli.forge SOCKET` is that process; `Forge` is who asks it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_S = 60


class Forge:
    """Runs `promptlog …`, each time in a new process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forge")
        self._address = str(Path(self._folder.name) / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.cli.forge", self._address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def run(
        self, arguments: Sequence[str], stdin: str, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX) as asked,
        ):
            given.write(stdin.encode())
            given.seek(0)
            asked.settimeout(_LONGEST_S)
            asked.connect(self._address)
            told = json.dumps([list(arguments), dict(env), str(Path.cwd())]).encode()
            socket.send_fds(asked, [b"%8d" % len(told)], [given.fileno(), out.fileno(), err.fileno()])
            asked.sendall(told)
            code = int(asked.recv(16))
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(
                ["promptlog", *arguments], code, out.read().decode(), err.read().decode()
            )

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()


def _serve(address: str) -> None:
    """Fork for each who asks; returns in the fork that is to be the command."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who tell how a command ended
        print("ready", flush=True)  # noqa: T201
        while True:
            asked, _ = listening.accept()
            if not os.fork():
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _become(asked)
                return
            asked.close()


def _become(asked: socket.socket) -> None:
    """Be the command that was asked for, in a child; tell from outside how it ended."""
    length, descriptors, _, _ = socket.recv_fds(asked, 8, 3)
    told = b""
    while len(told) < int(length):
        told += asked.recv(1 << 16)
    arguments, env, folder = json.loads(told)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        asked.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    asked.close()
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["promptlog", *arguments]
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    import gc
    import importlib
    import pkgutil

    import promptlog
    from promptlog.cli import main

    for module in pkgutil.walk_packages(promptlog.__path__, "promptlog."):
        if module.name.split(".")[1] in {"cli", "database", "expressions", "journal", "models", "query"}:
            importlib.import_module(module.name)
    for name in ("rich.console", "rich.table", "typer._adapters", "zoneinfo"):
        importlib.import_module(name)
    gc.freeze()  # else each child would copy all of this memory, to look through it as it ends
    _serve(sys.argv[1])
    main()
