"""What every answer tells browsers, and that production settings leave nothing to complain about."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cast import Cast

ROOT = Path(__file__).parent.parent.parent
PRODUCTION = {
    "HTTPS": "true", "ALLOWED_HOSTS": "crm.example.com", "SECRET_KEY": "k3y-" + "0123456789abcdefghij" * 4,
    "MONGODB_URI": "mongodb://localhost:1/?replicaSet=x",
}  # fmt: skip


def test_an_answer_is_not_kept_not_framed_and_runs_nothing(cast: Cast) -> None:
    for answer in (cast.alice.get("/api/leads/"), cast.nobody.get("/api/leads/"), cast.nobody.get("/nowhere/")):
        assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"


def test_the_docs_page_runs_its_own_script_only(cast: Cast) -> None:
    policy = cast.nobody.client.get("/api/docs/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=os.environ | environment, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip


def test_production_settings_pass_the_deployment_check() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_deployment_check_does_complain_without_https() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | {"HTTPS": "false"})
    assert done.returncode == 1
    assert "security.W008" in done.stderr


def asked(path: str, **headers: str) -> tuple[int, str, str]:
    """One request to the production settings, in a process of its own."""
    script = (
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'lead_crm.settings'; django.setup()\n"
        "from django.test import Client\n"
        f"answer = Client().get({path!r}, headers={headers!r})\n"
        "print(answer.status_code, answer.get('Location', '-'), answer.get('Strict-Transport-Security', '-'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | PRODUCTION, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    status, location, hsts = done.stdout.strip().split(" ", 2)
    return int(status), location, hsts


def test_plain_requests_are_sent_to_https_and_told_to_stay_there() -> None:
    host = {"Host": "crm.example.com"}
    assert asked("/api/docs/", **host)[:2] == (301, "https://crm.example.com/api/docs/")
    secure = asked("/api/docs/", **host, **{"X-Forwarded-Proto": "https"})
    assert (secure[0], "max-age=31536000" in secure[2]) == (200, True)


def test_hosts_that_are_not_ours_are_refused() -> None:
    assert asked("/api/docs/", Host="evil.example.com")[0] == 400
