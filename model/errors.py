"""The one exception the command line turns into one line and exit status 2."""

__all__ = ["InputError"]


class InputError(ValueError):
    """What the user gave cannot be used; the message is one line that names the thing and what would do."""
