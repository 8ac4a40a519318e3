"""Configuration comes from the environment; a wrong value is named and stops the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lead_crm import settings; print(settings.ENV.model_dump_json())"]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"]} | environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_nothing_needs_to_be_set() -> None:
    assert start().returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("MONGODB_URI", "postgres://x"),
        ("MONGODB_DATABASE", "a.b"),
        ("LOG_LEVEL", "LOUD"),
        ("WEB_WORKERS", "0"),
        ("DEFAULT_REGION", "Germany"),
        ("MAX_BODY_BYTES", "-1"),
    ],
)
def test_a_wrong_value_is_named_and_stops_the_start(name: str, value: str) -> None:
    refused = start(**{name: value})
    assert refused.returncode != 0
    assert name in refused.stderr
    assert "Traceback" not in refused.stderr


def test_all_wrong_values_are_named_at_once() -> None:
    refused = start(PORT="x", LOG_LEVEL="y")
    assert "PORT" in refused.stderr
    assert "LOG_LEVEL" in refused.stderr


def test_an_empty_value_means_the_default() -> None:
    assert '"PORT":8000' in start(PORT="").stdout


def test_the_readme_lists_every_setting() -> None:
    from lead_crm.settings import Environment

    readme = (ROOT / "README.md").read_text()
    assert [name for name in Environment.model_fields if f"`{name}`" not in readme] == []
