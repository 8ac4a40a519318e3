"""The CRM as it is, but for the notes of who read what."""

from lead_crm.settings import *  # noqa: F403 - the same environment

AUDITED = False
