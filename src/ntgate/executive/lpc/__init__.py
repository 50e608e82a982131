"""Local procedure call: ports, connections, messages that wait to be received or answered.

Enters: messages as bytes, from services and from the end of threads.  Leaves: messages in a
port's queue in guest memory, and threads that wait for an answer.
"""

from ntgate.executive.lpc.ports import Ports

__all__ = ["Ports"]
