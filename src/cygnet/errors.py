"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in what the user gave us: a path, a key, a file's contents, a machine without room.

    The message says what was wrong, where (file, row, key) and what to do. The command line prints it
    without a traceback and exits with code 2.
    """


class ContextError(UserError):
    """A prompt leaves no room in the model's context: it will always be refused, but a shorter one is answered."""


class ToldError(UserError):
    """Another process ended by a mistake of the user, and has told it: nothing is to be added on the same machine."""
