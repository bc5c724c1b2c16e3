"""Which players exist, as far as inventory knows."""
