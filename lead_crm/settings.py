"""Environment -> values. Everything that can be set is a field of `Environment`; wrong values stop the start."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

ROOT = Path(__file__).resolve().parent.parent


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
        faults = "\n".join(f"  {fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        sys.exit(f"Lead CRM cannot start: these environment variables are wrong.\n{faults}")


ENV = _read()

DATA_DIR = ENV.DATA_DIR
MONGODB_URI = ENV.MONGODB_URI
MONGODB_DATABASE = ENV.MONGODB_DATABASE
MAX_BODY_BYTES = ENV.MAX_BODY_BYTES
DEFAULT_REGION = ENV.DEFAULT_REGION
ALLOWED_HOSTS = [host.strip() for host in ENV.ALLOWED_HOSTS.split(",")]

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
MIDDLEWARE = ["lead_crm.logs.request_log"]

REST_FRAMEWORK = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": ["management.auth.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "lead_crm.openapi.ContractSchema",
    "EXCEPTION_HANDLER": "lead_crm.http.problem",
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
