"""What is told to a client that asked for what can't be done, in OpenAI's form."""

from starlette.responses import JSONResponse

from cygnet.errors import ContextError, UserError
from cygnet.lm.connection import DeadEndpointError
from cygnet.lm.ledger import BudgetError


class ApiError(Exception):
    """An answer other than 200. param: the field that is to blame; code: what a program can tell the reason by."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, object]:
        """The error as OpenAI's clients read it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(self.body(), self.status)


def told(error: Exception) -> ApiError:
    """What a client is told of what went wrong: the reason if it can mend it, else only that it was not its fault."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DeadEndpointError | BudgetError):
        return ApiError(502, str(error), code="model_unavailable")
    if isinstance(error, ContextError):  # by this code, clients and techniques tell that a shorter prompt would do
        return ApiError(400, str(error), code="context_length_exceeded")
    if isinstance(error, UserError):
        return ApiError(400, str(error))
    return ApiError(500, "the server failed; its log says why.", code="internal_error")
