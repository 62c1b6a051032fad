"""What the API server would say of a manifest, with the line: known before anything is sent."""

from __future__ import annotations

from netemu.core.apiserver.defaults import apply_defaults
from netemu.core.apiserver.validation import validate_create
from netemu.model.documents import Located
from netemu.model.kinds import by_type
from netemu.model.schema import copy_of


def refuse_invalid(located: Located, *, namespace: str) -> None:
    """Raise UserError, with file and line, if the object could not be stored.

    What depends on other objects only the server can tell.
    """
    obj = copy_of(located.obj)
    resource = by_type(type(obj))
    if obj.metadata.generate_name and not obj.metadata.name:
        raise located.error("apply needs a name: generateName is for create", "metadata")
    if resource.namespaced and not obj.metadata.namespace:
        obj.metadata.namespace = namespace
    apply_defaults(obj)
    errors = validate_create(obj, resource)
    if errors:
        first, more = errors[0], len(errors) - 1
        rest = f" (and {more} more)" if more else ""
        raise located.error(f"{first.field}: {first.message}{rest}", first.field)
