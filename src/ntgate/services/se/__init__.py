"""Tokens, access checks, security descriptors, the audit services."""
