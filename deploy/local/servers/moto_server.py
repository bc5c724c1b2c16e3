"""`python -m deploy.local.servers.moto_server PORT`: moto's server, one request after the other.

Its own command runs them side by side, and transactions of moto are not apart then.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from deploy.local.ports import HOST


def main() -> None:
    """Serves until SIGTERM."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    run_simple(HOST, int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)


if __name__ == "__main__":
    main()
