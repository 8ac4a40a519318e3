"""What commands have in common: a refusal is one line on stderr, not a traceback."""

import functools
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from pydantic import ValidationError

from lead_crm.errors import Invalid, LeadCrmError
from lead_crm.mongod import CannotStart


def refusals_named(handle: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(handle)
    def named(*args: Any, **options: Any) -> None:
        try:
            handle(*args, **options)
        except Invalid as error:
            raise CommandError("; ".join(f"{f.pointer.lstrip('/')}: {f.detail}" for f in error.faults)) from None
        except ValidationError as error:
            raise CommandError("; ".join(f"{f['loc'][-1]}: {f['msg']}" for f in error.errors())) from None
        except (LeadCrmError, CannotStart) as error:
            raise CommandError(str(error)) from None

    return named
