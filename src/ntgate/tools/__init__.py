"""What the maintainers run: generated documentation.

Enters: the declarations in the package.  Leaves: pages under docs/.
"""
