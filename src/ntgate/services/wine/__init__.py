"""What Wine's DLLs ask that no Windows kernel was ever asked."""
