"""The tables of \\Device\\Nsi: rows as long as they say, sockets as they are."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from ntgate.devices.network.addresses import AF_INET, AF_INET6, LOOPBACK, Endpoint, anywhere
from ntgate.devices.network.interface import TABLES, TCP, UDP
from ntgate.devices.network.socket import CONNECTED, CONNECTIONLESS, LISTENING
from ntgate.devices.network.stream import connection
from ntgate.layout.sockets import SOCK_DGRAM, SOCK_STREAM

HERE = Endpoint(AF_INET, LOOPBACK[AF_INET], 4444)
THERE = Endpoint(AF_INET, LOOPBACK[AF_INET], 1025)


def socket(kind: int, state: int, **more: Any) -> SimpleNamespace:
    made = {
        "kind": kind, "state": state, "family": AF_INET, "local": HERE, "remote": None,
        "end": None, "is_bound": True, "owner": 12, "created": 5,
    }  # fmt: skip
    return SimpleNamespace(**(made | more))


def network() -> Any:
    near, far = connection(THERE, HERE, 10, 10)
    far.finish()
    six = anywhere(AF_INET6, 7)
    return SimpleNamespace(sockets=[
        socket(SOCK_STREAM, LISTENING),
        socket(SOCK_STREAM, CONNECTED, local=THERE, remote=HERE, end=near),
        socket(SOCK_STREAM, CONNECTED, remote=THERE, end=far),
        socket(SOCK_DGRAM, CONNECTIONLESS, local=six, family=AF_INET6),
    ])  # fmt: skip


@pytest.mark.parametrize("key", TABLES)
def test_rows_have_the_sizes_of_their_table(key: tuple[int, int]) -> None:
    table = TABLES[key]
    for row in table.rows(network()):
        assert tuple(map(len, row)) == table.sizes


def test_connections_with_their_states_and_owners() -> None:
    rows = TABLES[TCP, 3].rows(network())
    found = [(key[:8].hex(), key[28:36].hex(), struct.unpack_from("<I", state)[0],
              struct.unpack_from("<I", owner, 12)[0]) for key, _, state, owner in rows]  # fmt: skip
    here, there = "0200115c7f000001", "020004017f000001"
    assert found == [
        (here, "0200000000000000", 2, 12),  # listens
        (there, here, 8, 12),  # the other end has sent all
        (here, there, 7, 12),
    ]
    listeners = TABLES[TCP, 5].rows(network())
    assert [row[0][:4].hex() for row in listeners] == ["0200115c"]
    (datagram,) = TABLES[UDP, 1].rows(network())
    assert datagram[0][:4].hex() == "17000007"
