"""Workflows of whole businesses as data files: `presets/<name>.json`."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from lead_crm import strict
from lead_crm.documents import Model, Uid
from lead_crm.errors import Fault, Invalid
from workflow import consistency, rules
from workflow.documents import Settings, Stage, StageSettings
from workflow.workflow import Workflow

FOLDER: Final = Path(__file__).with_name("presets")


class PresetStage(StageSettings):
    uid: Uid


class Preset(Model):
    config: Settings
    stages: Annotated[list[PresetStage], Field(min_length=1)]


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Preset:
    return read(json.loads((FOLDER / f"{name}.json").read_text()))


def read(data: object) -> Preset:
    """Every fault of the file's form at once."""
    try:
        preset = Preset.model_validate(data)
    except ValidationError as error:
        raise Invalid(strict.faults(error, data)) from None
    if faults := consistency.twice("/stages", [stage.uid for stage in preset.stages]):
        raise Invalid([Fault(f"{fault.pointer}/uid", fault.code, fault.detail) for fault in faults])
    return preset


def workflow(preset: Preset, *, now: datetime, before: Workflow | None = None) -> Workflow:
    """What it makes in the place of `before`. A fault points into the file."""
    version = {uid: stage.version + 1 for uid, stage in before.by_uid.items()} if before else {}
    stages = [
        Stage(**dict(stage), version=version.get(stage.uid, 1), created_at=now, updated_at=now)
        for stage in preset.stages
    ]  # fmt: skip
    try:
        return rules.set_up(preset.config, now=now, before=before, stages=stages)
    except Invalid as error:
        raise Invalid([_in_file(fault, preset) for fault in error.faults]) from None


def _in_file(fault: Fault, preset: Preset) -> Fault:
    place = fault.pointer.split("/")
    if place[1] != "stages":
        return fault.under("/config")
    if len(place) > 2:
        place[2] = str([stage.uid for stage in preset.stages].index(place[2]))
    return Fault("/".join(place), fault.code, fault.detail, fault.extra)
