"""Config and stages read together: one version of the workflow, ready to be asked."""

from collections.abc import Iterable
from functools import cached_property

from workflow.documents import Config, Stage
from workflow.fields import FieldDefinition
from workflow.task_kinds import TaskKind
from workflow.values import FieldValues

# What is chosen or counted. Into all other fields anything can be written (a user's too: nobody asks who that is).
COUNTED = frozenset({"select", "multi_select", "boolean", "integer", "decimal", "money"})


class Workflow:
    def __init__(self, config: Config, stages: Iterable[Stage]) -> None:
        self.config = config
        self.stages = tuple(sorted(stages, key=lambda stage: (stage.order, stage.uid)))

    @property
    def version(self) -> int:
        return self.config.version

    @cached_property
    def by_uid(self) -> dict[str, Stage]:
        return {stage.uid: stage for stage in self.stages}

    @cached_property
    def living(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if not stage.archived)

    @cached_property
    def first(self) -> Stage | None:
        """Where new leads begin."""
        return next((stage for stage in self.living if stage.kind == "open"), None)

    @cached_property
    def values(self) -> FieldValues:
        return FieldValues(self.config.variables)

    @cached_property
    def task_kinds(self) -> dict[str, TaskKind]:
        return {kind.key: kind for kind in self.config.task_kinds}

    @cached_property
    def completions(self) -> dict[str, FieldValues]:
        """What each kind of task asks for when it is completed."""
        return {kind.key: FieldValues(kind.fields) for kind in self.config.task_kinds}

    @cached_property
    def field_keys(self) -> frozenset[str]:
        return frozenset(field.field_key for field in self.config.variables)

    @cached_property
    def plain_keys(self) -> frozenset[str]:
        """Custom fields that do not tell who somebody is."""
        fields = self.config.variables
        return frozenset(f.field_key for f in fields if f.field_type in COUNTED and not f.personal)

    @cached_property
    def task_titles(self) -> frozenset[str]:
        """Those that tasks get by themselves."""
        return frozenset(template.title for stage in self.stages for template in stage.task_templates)

    @cached_property
    def named(self) -> tuple[str, ...]:
        """People whom stages give tasks by name."""
        given = (template.assignee.partition(":") for stage in self.living for template in stage.task_templates)
        return tuple(sorted({name for who, _, name in given if who == "user"}))

    def field(self, key: str) -> FieldDefinition:
        return next(field for field in self.config.variables if field.field_key == key)

    def stage(self, uid: str) -> Stage | None:
        return self.by_uid.get(uid)

    def using(
        self, *, config: Config | None = None, stages: Iterable[Stage] = (), without: str | None = None
    ) -> "Workflow":
        """This workflow with some documents replaced, added or left out."""
        merged = self.by_uid | {stage.uid: stage for stage in stages}
        merged.pop(without or "", None)
        return Workflow(config or self.config, merged.values())
