"""Clerk's webhooks as an application receives them: the signature checked once more, over the bytes as they came.

The gate has checked it already. That an app which checks again gets the same answer shows that the gate passes the
body and the three headers on unchanged.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

# The sender allows clocks to differ by as much.
TOLERANCE_SECONDS = 300


def is_signed(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """Whether one of the signatures is good: HMAC-SHA256 of `id.timestamp.body`."""
    identifier, timestamp = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    if not identifier or not timestamp.isascii() or not timestamp.isdigit():
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = headers.get("svix-signature", "").split(" ")
    return any(hmac.compare_digest(given.encode(), expected.encode()) for given in signatures)


async def event(request: Request) -> dict[str, Any]:
    """The event of a request whose signature is good."""
    body = await request.body()
    if not is_signed(os.environ["CLERK_WEBHOOK_SECRET"], dict(request.headers), body, time.time()):
        raise HTTPException(400, "Invalid signature")
    return json.loads(body)


Event = Annotated[dict[str, Any], Depends(event)]


def primary_email(data: dict[str, Any]) -> str | None:
    """The address that the user chose, out of Clerk's list."""
    for address in data.get("email_addresses") or []:
        if address.get("id") == data.get("primary_email_address_id"):
            return address.get("email_address")
    return None


def full_name(data: dict[str, Any]) -> str | None:
    """First and last name, as far as they are there."""
    return " ".join(filter(None, (data.get("first_name"), data.get("last_name")))) or None
