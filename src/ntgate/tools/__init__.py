"""What the maintainers run: generated documentation, the programs that the userland provides.

Enters: the declarations and the C sources in the package.  Leaves: pages under docs/, programs.
"""
