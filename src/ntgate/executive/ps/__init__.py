"""Processes and threads: their objects, kernel stacks, PEBs and TEBs, start and end."""
