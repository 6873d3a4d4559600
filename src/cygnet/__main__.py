"""`python -m cygnet` is the same program as `cygnet`."""

from cygnet.cli.main import main

if __name__ == "__main__":
    main()
