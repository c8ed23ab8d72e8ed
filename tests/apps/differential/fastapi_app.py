"""The logical routes of the test target `differential` in FastAPI."""

from fastapi import FastAPI, Request, Response

import seen

app = FastAPI(openapi_url=None)


def says(handler: str, *paths: str) -> None:
    """A handler that says its name, under each of these paths. Of two that fit, Starlette takes the first."""

    def view(request: Request) -> Response:
        scope = request.scope
        body, fields = seen.answer(
            handler=handler,
            app="fastapi",
            method=request.method,
            path=scope["path"],
            root=scope.get("root_path", ""),
            scheme=request.url.scheme,
            host=request.headers.get("host", ""),
            user=None,
            client=request.client and request.client.host,
            fields=seen.pairs(scope),
        )
        return Response(body, headers=fields)

    for path in paths:
        app.api_route(path, methods=seen.METHODS)(view)


says("/", "/")
says("/public", "/public")
says("/public/**", "/public/{rest:path}")
says("/login", "/login")
says("/items/{id}/open", "/items/{id}/open")
says("/items/**", "/items", "/items/{rest:path}")
says("/files", "/files")
says("/files/**", "/files/{rest:path}")
says("/admin/**", "/admin", "/admin/{rest:path}")
says("/Mixed/Case", "/Mixed/Case")
says("/api/special", "/api/special")
says("/api/{id}", "/api/{id}")
says("/api/{id}/x", "/api/{id}/x")
says("/a.b/c-d_e~f", "/a.b/c-d_e~f")
says("/users/@me", "/users/@me")
says("/users/{id}", "/users/{id}")
says("/closed/**", "/closed", "/closed/{rest:path}")
says("/tenant/**", "/tenant", "/tenant/{rest:path}")
# What no gate knows of.
says("undeclared:/{page}", "/{page}")
says("undeclared:/{a}/{b}", "/{a}/{b}")
says("undeclared:/**", "/{rest:path}")
