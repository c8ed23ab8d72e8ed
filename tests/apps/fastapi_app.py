"""An application that says what it could read of a request, in each way that Python offers.

It stands behind the gate in the end-to-end test `fastapi`. Nothing in here knows the gate.
"""

import json

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Header, Request

app = FastAPI()


def wsgi(environ, start_response):
    """Django, Flask and their kin read headers like this: as variables of one spelling."""
    variables = {key: value for key, value in environ.items() if key.startswith("HTTP_")}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"environ": variables}).encode()]


# FastAPI mounts by prefix: one open and one protected road lead to the WSGI application.
app.mount("/public/wsgi", WSGIMiddleware(wsgi))
app.mount("/api/wsgi", WSGIMiddleware(wsgi))


@app.get("/{path:path}")
def read(
    request: Request,
    x_user_id: str | None = Header(default=None),
    x_workspace_role: str | None = Header(default=None),
    x_auth_kind: str | None = Header(default=None),
    raw_user_id: str | None = Header(default=None, alias="x_user_id", convert_underscores=False),
    x_user_ids: list[str] | None = Header(default=None, alias="x-user-id"),
):
    """What the framework hands over: by parameter, by look-up, and as the list it came in."""
    return {
        "parameters": {
            "x_user_id": x_user_id,
            "x_workspace_role": x_workspace_role,
            "x_auth_kind": x_auth_kind,
            "raw_user_id": raw_user_id,
            "x_user_ids": x_user_ids,
        },
        "looked_up": request.headers.get("X-User-Id"),
        "all_looked_up": request.headers.getlist("x-user-id"),
        "scope": [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in request.scope["headers"]
        ],
    }
