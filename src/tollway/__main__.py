"""`python -m tollway`: the same as the command `tollway`."""

from tollway.cli.main import main

main()
