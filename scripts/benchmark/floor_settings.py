"""Django with nothing in it."""

from lead_crm.settings import *  # noqa: F403 - the same environment

ROOT_URLCONF = "scripts.benchmark.floor"
MIDDLEWARE = []
INSTALLED_APPS = []
