"""E-mail addresses and phone numbers: what is accepted, and what two spellings have in common."""

import functools
import re
from typing import Annotated, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber
from pydantic import AfterValidator, Field, ValidationInfo
from pydantic.json_schema import WithJsonSchema

# Numbers as people write them; at least five digits.
PHONE_PATTERN = r"^\+?[0-9 ()./x\-]*$"
PHONE_LENGTH = 40


# Who reads or changes a stored lead says so with this context: its addresses were checked when they came in.
STORED: Final = {"stored": True}


@functools.lru_cache(maxsize=4096)
def email(text: str) -> str:
    """In the one spelling that is kept; ValueError where it is none."""
    try:
        return validate_email(text, check_deliverability=False, allow_display_name=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"this is not an e-mail address: {error}") from None


def _email(text: str, info: ValidationInfo) -> str:
    return text if info.context is STORED else email(text)


@functools.lru_cache(maxsize=4096)
def phone(text: str) -> str:
    fits = len(text) <= PHONE_LENGTH and re.fullmatch(PHONE_PATTERN, text)
    if not fits or not 5 <= sum(c.isdigit() for c in text) <= 20:
        raise ValueError("write the number with 5 to 20 digits, for example +49 30 123456")
    return text


Email = Annotated[
    str,
    AfterValidator(_email),
    Field(max_length=254),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
Phone = Annotated[str, Field(min_length=5, max_length=PHONE_LENGTH, pattern=PHONE_PATTERN), AfterValidator(phone)]


def same_email(text: str) -> str:
    return text.casefold()


def digits(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isdigit())


@functools.lru_cache(maxsize=4096)
def _parsed(text: str, region: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


@functools.lru_cache(maxsize=4096)
def international(text: str, region: str) -> str | None:
    """The digits with country code: 030 123456 and +49 30 123456 are one. None where it cannot be a number."""
    number = _parsed(text, region)
    if number is None or not phonenumbers.is_possible_number(number):
        return None
    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"


def same_phone(text: str, region: str) -> str:
    """Equal for two spellings of one number; two extensions of it stay apart."""
    number = _parsed(text, region)
    extension = f"x{number.extension}" if number and number.extension else ""
    return (international(text, region) or digits(text)) + extension


def national(text: str, region: str) -> str | None:
    """The digits without the country code and trunk zero."""
    number = _parsed(text, region)
    return None if number is None else str(phonenumbers.national_significant_number(number))
