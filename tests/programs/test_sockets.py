"""Sockets on a machine whose network ends at itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from packages import NODE, Fetch
from program_run import Runner

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


def test_names(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_names")).lines() == ["passed"]


def test_node_serves_itself(run: Runner, fetch: Fetch) -> None:
    (run.folder / "server.js").write_text(SERVER)
    program = fetch(NODE) / "package" / "bin" / "node.exe"
    found = run(program, "server.js", options=["--env", "NODE_SKIP_PLATFORM_CHECK=1"]).lines()
    assert found == [
        "200 /a 300000 100009", "ping 127.0.0.1", "ECONNREFUSED", "ENETUNREACH",
    ]  # fmt: skip
