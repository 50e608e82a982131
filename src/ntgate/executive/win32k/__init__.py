"""The window manager and GDI, for programs that nobody sees."""
