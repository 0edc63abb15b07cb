"""What a request is refused with: a status of HTTP, as TensorFlow Serving gives it, and a reason."""

from __future__ import annotations

BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
TOO_SLOW, TOO_LARGE, UNSUPPORTED, TOO_MANY, INTERNAL, UNAVAILABLE, DEADLINE = 408, 413, 415, 429, 500, 503, 504
LEFT = 499
"""For the log and the metrics, as nginx says it: the caller hung up before it had an answer."""


class RequestError(Exception):
    """A request that gets no answer but {"error": message}.

    The message never holds a text of the request, a path of this machine or anything of the code.

    Attributes:
        status: of HTTP.
        message: says what was wrong and what was expected.
        retry_seconds: after which there is use in trying again, if there is any (429, 503).
    """

    def __init__(self, status: int, message: str, retry_seconds: int = 1) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_seconds = status, message, retry_seconds


def malformed(message: str) -> RequestError:
    """The error of a request whose body is not what the interface takes."""
    return RequestError(BAD_REQUEST, message)


def too_large(most: int) -> RequestError:
    """The error of a request whose body has more bytes than one may have."""
    return RequestError(TOO_LARGE, f"the body of a request may have {most:,} bytes: send fewer or shorter texts at once.")
