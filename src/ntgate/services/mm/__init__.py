"""Virtual memory and sections."""
