"""The errors that a handler gets when it can no longer send its answer."""

import asyncio


class StreamGoneError(asyncio.CancelledError):
    """Nobody reads the answer any more. It is a CancelledError, because the handler is about to be cancelled anyway."""


class TornError(Exception):
    """A servicer gave up sending one message in the middle, and then tried to send another."""
