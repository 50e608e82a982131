"""win32k's services: windows, messages, device contexts, as Wine 8.0's DLLs call them."""
