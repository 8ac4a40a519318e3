"""Signing in. Programs send a bearer token."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from lead_crm.access import Actor
from lead_crm.errors import NotSignedIn
from management import accounts


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme:
            return None
        actor = accounts.bearer(secret.strip()) if scheme.lower() == "bearer" else None
        if actor is None:
            raise NotSignedIn("The bearer token is unknown, expired or revoked.")
        return actor, "bearer"
