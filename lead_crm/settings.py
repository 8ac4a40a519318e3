"""Environment -> values. Everything that can be set is a field of `Environment`; wrong values stop the start."""

import ipaddress
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

ROOT = Path(__file__).resolve().parent.parent


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class Environment(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    DATA_DIR: Path = Field(ROOT / "var", description="Where the private database and generated secrets live.")
    MONGODB_URI: str | None = Field(
        None, pattern=r"^(mongodb(\+srv)?|mongomock)://", description="A MongoDB 6+ replica set; unset: a private one."
    )
    MONGODB_DATABASE: str = Field("lead_crm", pattern=r"^[A-Za-z0-9_\-]{1,38}$", description="Database name.")
    HOST: str = Field("127.0.0.1", description="Address the web server listens on.")
    PORT: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="Port the web server listens on.")
    WEB_WORKERS: Annotated[int, Field(ge=1, le=64)] = Field(2, description="Web processes.")
    WEB_THREADS: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Threads of each web process.")
    ALLOWED_HOSTS: str = Field("*", description="Host names the server answers to, separated by commas.")
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")
    MAX_BODY_BYTES: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = Field(
        1024 * 1024, description="Largest request body."
    )
    DEFAULT_REGION: str = Field(
        "US", pattern=r"^[A-Z]{2}$", description="Country of phone numbers written without a country code."
    )

    SECRET_KEY: Annotated[str, Field(min_length=50)] | None = Field(
        None, description="Random text; the same on every machine. Unset: made once and kept in DATA_DIR, mode 0600."
    )
    HTTPS: bool = Field(
        False,
        description="Served over HTTPS by a proxy in front: secure cookies, HSTS, plain requests are sent there.",
    )
    TRUSTED_PROXIES: str = Field(
        "", description="Networks whose X-Forwarded-For is believed, separated by commas, for example 10.0.0.0/8."
    )
    ALLOWED_ORIGINS: str = Field(
        "", description="Origins whose pages may call the API and embed the form, separated by commas; * for all."
    )
    REQUESTS_PER_MINUTE: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        30_000, description="What one person or token may ask of one web process."
    )
    CAPTURES_PER_HOUR: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="Public enquiries accepted from one address."
    )
    AUDIT_DAYS: Annotated[int, Field(ge=1, le=36_500)] = Field(
        730, description="How long it is kept who read or changed which lead."
    )
    CAPTCHA_VERIFY_URL: str | None = Field(
        None, pattern=r"^https?://", description="Where captcha answers are verified; unset: none is asked for."
    )
    CAPTCHA_SECRET: str | None = Field(None, description="Ours, for that address.")
    CAPTCHA_SITE_KEY: str | None = Field(None, description="Shown to the page that embeds the captcha.")
    JWT_ISSUER: str | None = Field(None, description="Accept JWTs of this identity provider.")
    JWT_AUDIENCE: str | None = Field(None, description="The audience such a token must be made for.")
    JWT_JWKS_URL: str | None = Field(None, pattern=r"^https?://", description="Where the provider publishes its keys.")

    @field_validator("TRUSTED_PROXIES")
    @classmethod
    def networks(cls, text: str) -> str:
        for part in _parts(text):
            ipaddress.ip_network(part)
        return text

    @model_validator(mode="after")
    def together(self) -> "Environment":
        if any((self.JWT_ISSUER, self.JWT_AUDIENCE, self.JWT_JWKS_URL)) and not all(
            (self.JWT_ISSUER, self.JWT_AUDIENCE, self.JWT_JWKS_URL)
        ):
            raise ValueError("set JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS_URL together")
        if self.CAPTCHA_VERIFY_URL and not self.CAPTCHA_SECRET:
            raise ValueError("CAPTCHA_VERIFY_URL needs CAPTCHA_SECRET")
        if self.HTTPS and "*" in _parts(self.ALLOWED_HOSTS):
            raise ValueError("with HTTPS, name the hosts in ALLOWED_HOSTS")
        return self

    @field_validator("DATA_DIR")
    @classmethod
    def absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#") and "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def _read() -> Environment:
    values = {key: value for key, value in (_dotenv(ROOT / ".env") | dict(os.environ)).items() if value != ""}
    try:
        return Environment.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc'])) or 'together'}: {fault['msg']}" for fault in error.errors()
        )
        sys.exit(f"Lead CRM cannot start: these environment variables are wrong.\n{faults}")


def _secret_key(folder: Path) -> str:
    """Made once. Two processes that start at the same moment agree: the second finds the link of the first."""
    file = folder / "secret_key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = folder / f".secret_key-{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text()


ENV = _read()

DATA_DIR = ENV.DATA_DIR
MONGODB_URI = ENV.MONGODB_URI
MONGODB_DATABASE = ENV.MONGODB_DATABASE
MAX_BODY_BYTES = ENV.MAX_BODY_BYTES
DEFAULT_REGION = ENV.DEFAULT_REGION
ALLOWED_HOSTS = _parts(ENV.ALLOWED_HOSTS)
SECRET_KEY = ENV.SECRET_KEY or _secret_key(ENV.DATA_DIR)
TRUSTED_PROXIES = [ipaddress.ip_network(part) for part in _parts(ENV.TRUSTED_PROXIES)]
ALLOWED_ORIGINS = _parts(ENV.ALLOWED_ORIGINS)
HTTPS = ENV.HTTPS
AUDIT_DAYS = ENV.AUDIT_DAYS
REQUESTS_PER_MINUTE = ENV.REQUESTS_PER_MINUTE
AUDITED = True  # only the benchmark turns it off, to measure what it costs

DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DATABASES: dict[str, object] = {}
ROOT_URLCONF = "lead_crm.urls"
WSGI_APPLICATION = "lead_crm.wsgi.application"
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
PASSWORD_HASHERS = ["lead_crm.passwords.Hasher"]
INSTALLED_APPS = [
    "rest_framework",
    "drf_spectacular",
    "lead_crm",
    "workflow",
    "leads",
    "management",
]
MIDDLEWARE = [
    "lead_crm.cors.cors",
    "lead_crm.logs.request_log",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "lead_crm.headers.security_headers",
]
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/?$"]  # load balancers ask without HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # cookies are guarded where they are read: management.auth, with tests
    "security.W005",  # other hosts of the domain are not ours to decide about,
    "security.W021",  # nor is what browsers preload
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["management.auth.Authentication"],
    "DEFAULT_SCHEMA_CLASS": "lead_crm.openapi.ContractSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lead CRM",
    "DESCRIPTION": "Leads, stages and the workflow that moves them. Every write passes one gate.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": ["lead_crm.openapi.fill_components"],
}
LOGGING_CONFIG = "lead_crm.logs.configure"
LOGGING = {"level": ENV.LOG_LEVEL}
