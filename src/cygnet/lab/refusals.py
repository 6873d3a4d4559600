"""What ends a lab, and what only costs a point: a question that the model will not take is an answer that is wrong."""

from cygnet.errors import UserError
from cygnet.lab.answers import KeepError
from cygnet.lab.verifiers import CheckError
from cygnet.lm.connection import DeadEndpointError, NotAdmittedError
from cygnet.lm.ledger import BudgetError

_ENDS_ALL = (BudgetError, CheckError, DeadEndpointError, KeepError, NotAdmittedError)


def ends_all(error: UserError) -> bool:
    """Whether no other question would fare better: money, key, endpoint, disk or checker are at fault."""
    return isinstance(error, _ENDS_ALL) or isinstance(error.__cause__, _ENDS_ALL)
