"""Django whose users are signed in by a proxy in front, by a header: Django's manual, "Authentication using REMOTE_USER"."""

import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import seen

folder = tempfile.TemporaryDirectory()

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.HeaderMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(folder.name) / "users"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGGING_CONFIG=None,
)
django.setup()

# It reads the settings while it is imported.
from django.contrib.auth.middleware import PersistentRemoteUserMiddleware  # noqa: E402


class HeaderMiddleware(PersistentRemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


def view(request: HttpRequest, rest: str = "") -> HttpResponse:
    meta = request.META
    body, fields = seen.answer(
        handler="undeclared:/**",
        app="django",
        method=request.method or "",
        path=request.path_info,
        root=meta.get("SCRIPT_NAME", ""),
        scheme=request.scheme or "",
        host=request.get_host(),
        user=request.user.get_username(),
        client=meta.get("REMOTE_ADDR"),
        fields=seen.variables(meta),
    )
    return HttpResponse(body, headers=fields)


urlpatterns = [path("<path:rest>", view)]
call_command("migrate", verbosity=0)
app = get_wsgi_application()
