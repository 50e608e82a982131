"""Files, pipes, devices and completion ports."""
