"""Security: tokens, descriptors, and whether one may do what the other guards.

Enters: threads, objects, the SIDs and access masks of their requests.  Leaves: TOKEN objects in
guest memory, self-relative security descriptors, granted rights, and an NtError for a denial.
"""

from ntgate.executive.se.manager import Security

__all__ = ["Security"]
