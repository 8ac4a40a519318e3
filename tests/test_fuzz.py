"""The served schema, held against the API by a fuzzer: whatever is sent gets a documented answer.

`make test` sends the same every time, so that it fails for those who broke something. `FUZZ_EXAMPLES=200` in its
environment sends so many to each operation, others every time: what that finds was there before.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from lead_crm.wsgi import application
from tests.cast import Cast, lead

# What is well-formed may still be refused by the rules of the workflow: an unknown stage, a source not offered.
EXCLUDED = [positive_data_acceptance]

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))

schema = schemathesis.openapi.from_wsgi("/api/schema/", application)


@pytest.fixture
def token(cast: Cast) -> str:
    lead(cast.alice)
    return str(cast.root.token)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES or 25, derandomize=not EXAMPLES, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_operation_answers_as_documented(case: schemathesis.Case, token: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=EXCLUDED)
