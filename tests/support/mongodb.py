"""MongoDB's driver in the tests' own process."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sockets_left_behind() -> Iterator[None]:
    """Lets go, unseen, of what the driver leaves to the garbage collector: a client that is closed while it connects
    does not close that socket."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
