"""Sockets on a machine whose network ends at itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from packages import NODE, Fetch
from program_run import Runner, environment

# Ends the host's process where it touches a socket of the host's.
GUARDED = """
import os, sys
def guard(event, arguments):
    if event.startswith("socket."):
        os.write(2, event.encode())
        os._exit(99)
sys.addaudithook(guard)
from ntgate.cli import main
main()
"""

SERVER = """
const http = require('http'), net = require('net'), dgram = require('dgram');
const server = http.createServer((question, answer) => {
  let size = 0;
  question.on('data', part => size += part.length);
  question.on('end', () => answer.end(question.url + ' ' + size + 'x'.repeat(100000)));
});
server.listen(0, () => {
  const port = server.address().port;
  const question = http.request({host: 'localhost', port, path: '/a', method: 'POST'}, answer => {
    let text = '';
    answer.on('data', part => text += part);
    answer.on('end', () => {
      console.log(answer.statusCode, text.slice(0, 9), text.length);
      server.close();
      server.closeAllConnections();
      datagrams();
    });
  });
  question.end('y'.repeat(300000));
});
function datagrams() {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (data, from) => {
    console.log(data.toString(), from.address);
    socket.close();
    net.connect(9, '127.0.0.1').on('error', error => {
      console.log(error.code);
      net.connect(80, '192.0.2.1').on('error', error => console.log(error.code));
    });
  });
  socket.bind(0, '127.0.0.1', () => socket.send('ping', socket.address().port, '127.0.0.1'));
}
"""


def test_streams(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_streams")).lines() == ["passed"]


def test_requests_that_are_completed_later(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_overlapped")).lines() == ["passed"]


def test_messages(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_messages")).lines() == ["passed"]


def test_ping(run: Runner) -> None:
    lines = run("ping.exe", "-n", "1", "localhost").lines()
    assert "Reply from 127.0.0.1: bytes=32 time<1ms TTL=128" in lines
    assert "Lost = 1 (100% loss)" in run("ping.exe", "-n", "1", "8.8.8.8").output


def test_the_loopback_is_the_only_interface(run: Runner) -> None:
    lines = [line.split(": ") for line in run("ipconfig.exe").lines() if ": " in line]
    found = {name.strip(" ."): text for name, text in lines}
    assert (found["IPv4 address"], found["IPv6 address"]) == ("127.0.0.1", "::1")
    assert len([name for name, _ in lines if name.strip(" .") == "IPv4 address"]) == 1


def test_datagrams(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_datagrams")).lines() == ["passed"]


def test_two_processes_twice_the_same_and_never_the_host(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    traces = []
    for name in ("one", "two"):
        command = ["trace", "-o", name, str(guest("sockets_processes"))]
        done = subprocess.run(
            [sys.executable, "-c", GUARDED, *command],
            cwd=run.folder, env=environment(), capture_output=True, timeout=110, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.split()) == (0, [b"passed"]), done.stderr
        traces.append((run.folder / name).read_bytes())
    assert traces[0] == traces[1]
    assert b"IOCTL_AFD_WINE_CONNECT, InputBuffer={AddressLength=16, " in traces[0]
    assert b'Buffers=["question"]' in traces[0]


def test_the_guard_sees_sockets_of_the_host() -> None:
    program = "from ntgate.cli import main\nmain()"
    script = GUARDED.replace(program, "import socket; socket.socket()")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (99, b"socket.__new__")


def test_names(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_names")).lines() == ["passed"]


def test_node_serves_itself(run: Runner, fetch: Fetch) -> None:
    (run.folder / "server.js").write_text(SERVER)
    program = fetch(NODE) / "package" / "bin" / "node.exe"
    found = run(program, "server.js", options=["--env", "NODE_SKIP_PLATFORM_CHECK=1"]).lines()
    assert found == [
        "200 /a 300000 100009", "ping 127.0.0.1", "ECONNREFUSED", "ENETUNREACH",
    ]  # fmt: skip
