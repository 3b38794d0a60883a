"""`pipeline` for pages that type it a dozen times: forked from a process that has imported it.

To import the command line takes a second of processor time. As it is for a shell, each command is a
process of its own with the shell's environment, directory and open files, and an exit status; that
the program itself starts is for tests that start it (tests/cli/test_demo.py).

Run as a script with the path of the socket to listen at. It ends when its standard input closes.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Final, NoReturn

# Needs no module that takes long to import: it is all that a shell starts.
CLIENT: Final = """\
#!{python} -IS
import array, json, os, socket, sys
command = json.dumps({{"words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}})
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
server.sendmsg([len(command.encode()).to_bytes(4, "big")], [rights])
server.sendall(command.encode())
status = server.recv(1)
if not status:
    sys.exit("pipeline ended without a status")
os._exit(status[0])
"""


class ForkedPipeline:
    """The process that commands are forked from."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Start it.

        Args:
            environment: whose PYTHONPATH says which copy of the command line it is.
        """
        self._directory = tempfile.TemporaryDirectory(prefix="pipeline-")  # short, as sockets need
        self._address = str(Path(self._directory.name) / "socket")
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, __file__, self._address],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.read(1), "the command line cannot be imported"

    def program(self) -> str:
        """What to write into an executable file."""
        return CLIENT.format(python=sys.executable, address=self._address)

    def close(self) -> None:
        self._process.communicate(timeout=30)
        self._directory.cleanup()


def serve(address: str) -> None:
    app = importlib.import_module("cli.main").app
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"+")
        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            with contextlib.suppress(ChildProcessError):  # it has none
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if 0 in ready:
                return
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run(app, client)
            client.close()


def run(app: object, client: socket.socket) -> NoReturn:
    """As the program would run the command; its status goes to the client."""
    status = 1
    try:
        command = received(client)
        os.chdir(command["cwd"])
        os.environ.clear()
        os.environ.update(command["environment"])
        sys.argv = ["pipeline", *command["words"]]
        try:
            assert callable(app)
            app(prog_name="pipeline")
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 -- the interpreter would print it and end with 1, too
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        client.sendall(bytes([status]))
        os._exit(status)


def received(client: socket.socket) -> dict[str, object]:
    """The command; its standard streams become those of this process."""
    files = array.array("i")
    room = socket.CMSG_SPACE(3 * files.itemsize)
    length, ancillary, _, _ = client.recvmsg(4, room)
    files.frombytes(ancillary[0][2][: 3 * files.itemsize])
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    with client.makefile("rb") as message:
        command: dict[str, object] = json.loads(message.read(int.from_bytes(length, "big")))
    return command


if __name__ == "__main__":
    serve(sys.argv[1])
