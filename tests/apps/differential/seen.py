"""What every application of the test target `differential` answers: who ran, and what it saw of the request.

An answer to HEAD has no body, so the same JSON is in the field `Seen` as well.
"""

import json

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def answer(
    *,
    handler: str,
    app: str,
    method: str,
    path: str,
    root: str,
    scheme: str,
    host: str,
    user: str | None,
    client: str | None,
    fields: list[tuple[str, str]],
) -> tuple[str, dict[str, str]]:
    """The body of an answer and its fields. `fields`: each header or variable of the request by its name."""
    text = json.dumps(
        {
            "handler": handler,
            "app": app,
            "method": method,
            "path": path,
            "root": root,
            "scheme": scheme,
            "host": host,
            "user": user,
            "client": client,
            "fields": fields,
        }
    )
    return text, {"Content-Type": "application/json", "Seen": text}


def variables(environ: dict) -> list[tuple[str, str]]:
    """The variables of WSGI and of Django that have come from a header, or could have."""
    return [(name, value) for name, value in environ.items() if name.isupper() and isinstance(value, str)]


def pairs(scope: dict) -> list[tuple[str, str]]:
    """The headers of ASGI."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
