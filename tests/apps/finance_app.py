"""A back end after the manner of Finance Agent: its `get_current_user` rebuilt on the headers of the gate.

The flags `is_admin`, `is_active` and `is_approved` come in `x-user-flags`, as a list with commas of those that are set.
Webhooks are checked with the function of Finance Agent's own document. /control is for tests, which ask it directly.
"""

import base64
import hashlib
import hmac
import json
import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request

from clerk_webhook import full_name, primary_email
from trusted_headers import User

app = FastAPI()
router = APIRouter(prefix="/auth")

# By Clerk's id; the table `users` of the document.
users: dict[str, dict[str, Any]] = {}


def get_current_user(who: User) -> dict[str, Any]:
    """What the routes knew before the gate was there, under the same keys."""
    return {
        "id": who.user_id,
        "clerk_user_id": who.clerk_user_id,
        "username": (who.email or who.user_id or "").split("@")[0],
        "email": who.email,
        "full_name": who.name,
        "is_admin": "is_admin" in who.flags,
        "is_active": "is_active" in who.flags,
        "is_approved": "is_approved" in who.flags,
    }


CurrentUser = Annotated[dict[str, Any], Depends(get_current_user)]


@app.get("/protected")
def protected(current_user: CurrentUser) -> dict[str, Any]:
    return {
        "message": "You are authenticated",
        "user_id": current_user["id"],
        "email": current_user["email"],
        "user": current_user,
    }


@app.get("/admin")
def admin(current_user: CurrentUser) -> dict[str, Any]:
    """Asks for all three flags, as the document's list of practices does."""
    missing = [flag for flag in ("is_admin", "is_active", "is_approved") if not current_user[flag]]
    if missing:
        raise HTTPException(403, "Forbidden")
    return {"message": "You are an admin", "user": current_user}


def verify_clerk_webhook_signature(
    payload: bytes, svix_id: str, svix_timestamp: str, svix_signature: str, webhook_secret: str
) -> bool:
    """The document's own check. It does not look at the age of a webhook; the gate does."""
    secret_bytes = base64.b64decode(webhook_secret.removeprefix("whsec_"))
    signed_content = f"{svix_id}.{svix_timestamp}.{payload.decode('utf-8')}"
    expected_signature = hmac.new(secret_bytes, signed_content.encode("utf-8"), hashlib.sha256).digest()
    expected_signature_b64 = base64.b64encode(expected_signature).decode("utf-8")
    for signature in svix_signature.split(" "):
        version, _, sig_value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(sig_value.encode(), expected_signature_b64.encode()):
            return True
    return False


@router.post("/clerk/webhook")
async def clerk_webhook(
    request: Request,
    svix_id: Annotated[str | None, Header(alias="svix-id")] = None,
    svix_timestamp: Annotated[str | None, Header(alias="svix-timestamp")] = None,
    svix_signature: Annotated[str | None, Header(alias="svix-signature")] = None,
) -> dict[str, Any]:
    if not (svix_id and svix_timestamp and svix_signature):
        raise HTTPException(400, "Missing svix headers")
    payload = await request.body()
    secret = os.environ["CLERK_WEBHOOK_SECRET"]
    if not verify_clerk_webhook_signature(payload, svix_id, svix_timestamp, svix_signature, secret):
        raise HTTPException(400, "Invalid signature")
    event = json.loads(payload)
    if event["type"].startswith("user."):
        handle(event["type"], event["data"])
    return {"status": "success", "event": event["type"]}


def handle(kind: str, data: dict[str, Any]) -> None:
    """Inserts, updates and deactivates, whatever the order and however often an event comes."""
    record = users.setdefault(data["id"], {"is_active": True, "is_approved": True, "is_admin": False})
    match kind:
        case "user.created" | "user.updated":
            email = primary_email(data)
            record.update(email=email, full_name=full_name(data), username=(email or data["id"]).split("@")[0])
        case "user.deleted":
            record["is_active"] = False


app.include_router(router)


@app.get("/control")
def control() -> dict[str, Any]:
    return {"users": users}
