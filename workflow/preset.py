"""Workflows of whole businesses as data files: `presets/<name>.json`."""

import json
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from lead_crm.documents import Model, Uid
from workflow.documents import Settings, StageSettings

FOLDER: Final = Path(__file__).with_name("presets")


class PresetStage(StageSettings):
    uid: Uid


class Preset(Model):
    config: Settings
    stages: Annotated[list[PresetStage], Field(min_length=1)]


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> Preset:
    return Preset.model_validate(json.loads((FOLDER / f"{name}.json").read_text()))
