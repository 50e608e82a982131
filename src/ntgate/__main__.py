"""`python -m ntgate`."""

from ntgate.cli import main

if __name__ == "__main__":
    main()
