"""``python -m opostd``: the same as the command ``opostd``."""

from opostd.cli import main

if __name__ == "__main__":
    main()
