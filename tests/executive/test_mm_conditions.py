"""The events that tell of free memory."""

from __future__ import annotations

from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.machine import Machine


def state(machine: Machine, name: str) -> int:
    body, _ = machine.executive.objects.lookup(rf"\KernelObjects\{name}MemoryCondition")
    return DISPATCHER_HEADER(machine.kernel, body).SignalState


def test_they_follow_the_free_frames() -> None:
    machine = Machine()
    conditions = machine.executive.memory_conditions
    frames = machine.executive.mm.frames
    assert (state(machine, "Low"), state(machine, "High")) == (0, 1)
    taken = [frames.allocate() for _ in range(frames.available - conditions.high)]
    conditions.update()
    assert (state(machine, "Low"), state(machine, "High")) == (0, 0)
    taken += [frames.allocate() for _ in range(frames.available - conditions.low + 1)]
    conditions.update()
    assert (state(machine, "Low"), state(machine, "High")) == (1, 0)
    for frame in taken:
        frames.free(frame)
    conditions.update()
    assert (state(machine, "Low"), state(machine, "High")) == (0, 1)
