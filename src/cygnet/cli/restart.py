"""`--restart`: the option of all verbs whose training can be interrupted."""

from typing import Annotated

from cyclopts import Parameter

RESTART = "--restart"

Restart = Annotated[
    bool,
    Parameter(
        name=RESTART,
        negative="",
        help="Begin an interrupted stage again, deleting what it had done, if something that it is made of has "
        "changed or its checkpoints are all damaged. That is refused otherwise.",
    ),
]
