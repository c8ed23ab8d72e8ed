"""The logical routes of the test target `differential` in Django.

Its settings are those that `django-admin startproject` writes, as far as they are about HTTP. Variables whose name starts
with `DJANGO_` change them, for the table of fields that move a request.
"""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import seen

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    LOGGING_CONFIG=None,
    USE_X_FORWARDED_HOST="DJANGO_FORWARDED_HOST" in os.environ,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https") if "DJANGO_PROXY_SSL" in os.environ else None,
)
django.setup()


def says(handler: str, *routes: str) -> list:
    """A handler that says its name, under each of these routes. Of two that fit, Django takes the first."""

    @csrf_exempt
    def view(request: HttpRequest, **_: str) -> HttpResponse:
        meta = request.META
        body, fields = seen.answer(
            handler=handler,
            app="django",
            method=request.method or "",
            path=request.path_info,
            root=meta.get("SCRIPT_NAME", ""),
            scheme=request.scheme or "",
            host=request.get_host(),
            user=meta.get("REMOTE_USER"),
            client=meta.get("REMOTE_ADDR"),
            fields=seen.variables(meta),
        )
        return HttpResponse(body, headers=fields)

    return [path(route, view) for route in routes]


urlpatterns = [
    *says("/", ""),
    *says("/public", "public"),
    *says("/public/**", "public/", "public/<path:rest>"),
    *says("/login", "login"),
    *says("/items/{id}/open", "items/<str:id>/open"),
    *says("/items/**", "items", "items/", "items/<path:rest>"),
    *says("/files", "files"),
    *says("/files/**", "files/", "files/<path:rest>"),
    *says("/admin/**", "admin", "admin/", "admin/<path:rest>"),
    *says("/Mixed/Case", "Mixed/Case"),
    *says("/api/special", "api/special"),
    *says("/api/{id}", "api/<str:id>"),
    *says("/api/{id}/x", "api/<str:id>/x"),
    *says("/a.b/c-d_e~f", "a.b/c-d_e~f"),
    *says("/users/@me", "users/@me"),
    *says("/users/{id}", "users/<str:id>"),
    *says("/closed/**", "closed", "closed/", "closed/<path:rest>"),
    *says("/tenant/**", "tenant", "tenant/", "tenant/<path:rest>"),
    # What no gate knows of.
    *says("undeclared:/{page}", "<str:page>"),
    *says("undeclared:/{a}/{b}", "<str:a>/<str:b>"),
    *says("undeclared:/**", "<path:rest>"),
]

app = get_asgi_application()
wsgi = get_wsgi_application()
