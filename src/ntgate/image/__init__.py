"""Making PE images: the assembler for our own code, and the PE writer.

Enters: assembly text with NT's structure names in it, tables, symbol names.  Leaves: bytes at
fixed addresses, their symbols, and PE files.  Used for the nt image, for the built-in ntdll
and programs, and for what the userland lacks.
"""
