"""The benchmark: Tollway beside nginx and its peers, over the same mock upstream, in one run. Not part of the wheel."""
