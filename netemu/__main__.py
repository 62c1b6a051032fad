"""`python -m netemu`: the command line."""

from netemu.cli._program import main

if __name__ == "__main__":
    main()
