"""The attacks, by what they abuse. Importing this package registers them all in `registry.ATTACKS`."""

from tests.wire.attacks import connections, floods, framing, headers, messages, streams, windows

__all__ = ["connections", "floods", "framing", "headers", "messages", "streams", "windows"]
