"""The logical routes of the test target `differential` in Flask."""

from flask import Flask, Response, request

import seen

app = Flask(__name__)


def says(handler: str, *rules: str) -> None:
    """A handler that says its name, under each of these rules."""

    def view(**_: str) -> Response:
        environ = request.environ
        body, fields = seen.answer(
            handler=handler,
            app="flask",
            method=request.method,
            path=environ["PATH_INFO"],
            root=request.root_path.rstrip("/"),
            scheme=request.scheme,
            host=request.host,
            user=request.remote_user,
            client=request.remote_addr,
            fields=seen.variables(environ),
        )
        return Response(body, headers=fields)

    for rule in rules:
        app.add_url_rule(rule, f"handler of {handler}", view, methods=seen.METHODS)


says("/", "/")
says("/public", "/public")
says("/public/**", "/public/", "/public/<path:rest>")
says("/login", "/login")
says("/items/{id}/open", "/items/<id>/open")
says("/items/**", "/items", "/items/", "/items/<path:rest>")
says("/files", "/files")
says("/files/**", "/files/", "/files/<path:rest>")
says("/admin/**", "/admin", "/admin/", "/admin/<path:rest>")
says("/Mixed/Case", "/Mixed/Case")
says("/api/special", "/api/special")
says("/api/{id}", "/api/<id>")
says("/api/{id}/x", "/api/<id>/x")
says("/a.b/c-d_e~f", "/a.b/c-d_e~f")
says("/users/@me", "/users/@me")
says("/users/{id}", "/users/<id>")
says("/closed/**", "/closed", "/closed/", "/closed/<path:rest>")
says("/tenant/**", "/tenant", "/tenant/", "/tenant/<path:rest>")
# What no gate knows of.
says("undeclared:/{page}", "/<page>")
says("undeclared:/{a}/{b}", "/<a>/<b>")
says("undeclared:/**", "/<path:rest>")
