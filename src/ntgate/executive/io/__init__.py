"""What is behind a file object."""
