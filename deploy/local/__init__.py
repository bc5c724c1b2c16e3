"""The embedded stack: the whole suite on one machine, its engines from PyPI wheels, without Docker or root."""
