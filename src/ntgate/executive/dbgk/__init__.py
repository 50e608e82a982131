"""User-mode debugging: debug objects, and what processes report to them."""
