"""temporary"""
from __future__ import annotations
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
class PipeDevice:
    def __init__(self, io): self.io = io
    def open(self, create, file):
        raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
