"""`apply`: make the objects of a manifest what it says, as `kubectl apply` does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from netemu.client.apply import apply_object
from netemu.core.apiserver.manifest import refuse_invalid
from netemu.errors import UserError
from netemu.host.text_files import read_text
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.manifest import decode_manifest


class Apply(Step):
    SHORTHAND: ClassVar[str] = "file"

    file: str = ""
    """A manifest beside the scenario."""
    manifest: str = ""
    """The manifest itself, as a block of text."""

    def title(self) -> str:
        return f"apply {self.file or 'a manifest'}"

    def check(self, folder: Path) -> None:
        if bool(self.file) == bool(self.manifest):
            raise UserError("a step apply has either `file` or `manifest`")
        for located in decode_manifest(*self._text(folder)):
            refuse_invalid(located, namespace=Lab.default_namespace)

    async def run(self, lab: Lab) -> str:
        done = []
        for located in decode_manifest(*self._text(lab.folder)):
            verb, obj = await apply_object(lab.client, located, namespace=lab.default_namespace)
            done.append(f"{obj.KIND.lower()}/{obj.metadata.name} {verb}")
        return ", ".join(done)

    def _text(self, folder: Path) -> tuple[str, str]:
        if self.manifest:
            return self.manifest, ""
        path = folder / self.file
        return read_text(path), str(path)


STEP: Final = Apply
