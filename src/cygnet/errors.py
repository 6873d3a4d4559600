"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in what the user gave us: a path, a key, a file's contents, a machine without room.

    The message says what was wrong, where (file, row, key) and what to do. The command line prints it
    without a traceback and exits with code 2.
    """


class ContextError(UserError):
    """What was said is more than the model reads: a conversation can't go on, but it can start over."""
