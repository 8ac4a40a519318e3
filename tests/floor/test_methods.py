"""An address says which methods it has, and answers no others."""

import pytest

from tests.cast import Cast


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PUT", "BREW", "DISPATCH", "CONTRACTS"])
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "a stranger"])
def test_other_methods_are_refused_with_those_that_there_are(cast: Cast, method: str, signed_in: bool) -> None:
    headers = {"Authorization": f"Bearer {cast.alice.token}"} if signed_in else {}
    answer = cast.alice.client.generic(method, "/api/leads/", headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert answer["Allow"] == "GET, POST"
    if method != "HEAD":
        assert answer.json()["code"] == "method_not_allowed"
        assert answer.json()["detail"] == "This address answers GET, POST."
