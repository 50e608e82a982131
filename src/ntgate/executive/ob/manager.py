"""The object manager of one machine."""

from __future__ import annotations

from ntgate.executive.ob.client_ids import ClientIds


class ObjectManager(ClientIds):
    pass
