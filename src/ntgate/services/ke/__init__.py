"""Waits and what is waited for, alerts, exceptions, the clock's profile, the processor."""
