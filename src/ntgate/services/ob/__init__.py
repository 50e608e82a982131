"""Handles, names, and what is known of objects."""
