"""Has anything changed? Known to all processes on this machine, for the price of reading sixteen bytes."""

import mmap
import os
from functools import cached_property
from pathlib import Path
from typing import Final

from django.conf import settings

BYTES: Final = 16


class Stamp:
    """Another value after each change, in memory that all processes on this machine share."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _memory(self) -> mmap.mmap | bytearray:
        try:
            with Path(settings.DATA_DIR, self.name).open("ab") as file:
                if not file.tell():
                    file.write(bytes(BYTES))
            with Path(settings.DATA_DIR, self.name).open("r+b") as file:
                return mmap.mmap(file.fileno(), BYTES)
        except OSError:  # then each process knows of its own changes alone
            return bytearray(BYTES)

    @property
    def shared(self) -> bool:
        return isinstance(self._memory, mmap.mmap)

    def read(self) -> bytes:
        return bytes(self._memory)

    def change(self) -> None:
        self._memory[:] = os.urandom(BYTES)
