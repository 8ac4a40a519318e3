"""The floor: what Django and MongoDB cost without us. Bare views that send the very queries that we send.

It answers the same requests as the CRM. Which query belongs to which was recorded beforehand (`recording`).
"""

import os
import pickle
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from lead_crm import mongo
from leads import ranking

Row = dict[str, Any]

_recorded: dict[str, Any] = pickle.loads(Path(os.environ["FLOOR_QUERIES"]).read_bytes())  # our own file
_template: Row = _recorded["template"]


def read(request: HttpRequest) -> HttpResponse:
    query = _recorded[request.META["HTTP_AUTHORIZATION"]][request.get_full_path()]
    leads = mongo.plain("leads")
    if "pipeline" in query:
        return _answer(list(leads.aggregate(query["pipeline"], **query["options"])))
    if query["one"]:
        return _answer(leads.find_one(query["filter"], query["projection"]))
    return _answer(list(leads.find(query["filter"], query["projection"], **query["options"])))


def write(request: HttpRequest) -> HttpResponse:
    """As little as a move can be: one read, one write of what differs over the version that was read."""
    body = orjson.loads(request.body)
    uid = body.get("lead") or request.path.split("/")[3]
    leads = mongo.collection("leads")
    row: Row = leads.find_one({"type": "lead", "uid": uid}) or {}
    moment = datetime.now(UTC)
    new: Row = {"company": body.get("company", row["company"]), "updated_at": moment, "version": row["version"] + 1}
    if stage := body.get("to_stage"):
        new |= {"current_stage": stage, "stage_entered_at": moment, "rank": ranking.top(moment, secrets.token_hex(3))}
    leads.update_one({"type": "lead", "uid": uid, "version": row["version"]}, {"$set": new})
    return _answer(row | new)


def create(request: HttpRequest) -> HttpResponse:
    moment = datetime.now(UTC)
    row = _template | orjson.loads(request.body) | {"created_at": moment, "uid": f"floor-{secrets.token_hex(8)}"}
    mongo.collection("leads").insert_one(row)
    return _answer(row)


def _answer(data: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(data, default=str), content_type="application/json")


def view(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return read(request)
    return create(request) if request.path == "/api/leads/" else write(request)


urlpatterns = [re_path("", view)]
