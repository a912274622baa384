"""`python -m genomelm`: the same as the `genomelm` command."""

from genomelm.cli import main

if __name__ == "__main__":
    main()
