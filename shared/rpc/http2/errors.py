"""What a handler meets that can no longer send its answer."""

import asyncio


class StreamGoneError(asyncio.CancelledError):
    """Nobody reads the answer any more. For a handler it is what its cancellation is, which is on its way."""


class TornError(Exception):
    """A servicer gave up sending a message in its middle, and goes on as if it had not begun."""
