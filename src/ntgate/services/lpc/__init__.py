"""LPC ports."""
