"""`python -m recue` is `recue`."""

from recue.cli import main

if __name__ == "__main__":
    main()
