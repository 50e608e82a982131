"""Processes, threads and jobs: made, opened, asked, changed, ended."""
