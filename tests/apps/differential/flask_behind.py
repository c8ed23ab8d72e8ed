"""The Flask application in the three ways in which people tell it of the proxy in front."""

from werkzeug.middleware.proxy_fix import ProxyFix

from flask_app import app

# As Flask's manual has it, for a proxy that sets all of them.
fixed = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)


def reverse_proxied(environ, start_response):
    """The snippet that Flask's site had for an application that is mounted under a path, and that lives on in many."""
    script_name = environ.get("HTTP_X_SCRIPT_NAME", "")
    if script_name:
        environ["SCRIPT_NAME"] = script_name
        path_info = environ["PATH_INFO"]
        if path_info.startswith(script_name):
            environ["PATH_INFO"] = path_info[len(script_name) :]
    scheme = environ.get("HTTP_X_SCHEME", "")
    if scheme:
        environ["wsgi.url_scheme"] = scheme
    server = environ.get("HTTP_X_FORWARDED_SERVER", "")
    if server:
        environ["HTTP_HOST"] = server
    return app.wsgi_app(environ, start_response)


def overridden(environ, start_response):
    """As Flask's manual has it under "Adding HTTP Method Overrides"."""
    method = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper()
    if method in {"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"}:
        environ["REQUEST_METHOD"] = method
    return app.wsgi_app(environ, start_response)
