"""The `tollway` command: speaks terminal, decides nothing."""
