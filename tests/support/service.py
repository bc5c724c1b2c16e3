"""A service as an operator runs it: a process with an environment, on real stores."""

from deploy.local.alone import Service, migrate, running
from deploy.local.settings import CHECKOUT as ROOT

__all__ = ["ROOT", "Service", "migrate", "running"]
