"""`python -m starter.cli`: the CLI where the script `tocsin` is not installed."""

from starter.cli.app import main

if __name__ == "__main__":
    main()
