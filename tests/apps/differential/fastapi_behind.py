"""The FastAPI application behind the two proxies that hypercorn's own middleware knows."""

from hypercorn.middleware import ProxyFixMiddleware

from fastapi_app import app

legacy = ProxyFixMiddleware(app, mode="legacy", trusted_hops=1)
modern = ProxyFixMiddleware(app, mode="modern", trusted_hops=1)
