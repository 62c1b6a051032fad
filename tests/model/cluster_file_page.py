"""docs/cluster-file.md, made from what the code says of each field of `kind: Cluster`."""

from __future__ import annotations

import ast
import inspect
import itertools
from types import ModuleType

import msgspec

from netemu.model import cluster_v1alpha1
from netemu.model.wire import ApiStruct

EXAMPLE = """\
apiVersion: netemu.dev/v1alpha1
kind: Cluster
metadata:
  name: shop
spec:
  nodes:
  - zone: east
    roles: [ingress]
  - zone: west
    labels: { disk: ssd }
    capacity: { cpu: "2", memory: 4Gi, pods: 20 }
  - name: batch-1
    zone: west
    taints:
    - { key: dedicated, value: batch, effect: NoSchedule }
  overlay: host-gw
  podCIDR: 10.10.0.0/16
  serviceCIDR: 10.11.0.0/16
  dns: { replicas: 1, upstream: false }
  images:
    "mysql*": { standIn: [3306] }
    "registry.example/shop/*": { agnhost: [netexec, --http-port=8080] }
    "migrate": { command: [sleep, infinity] }
    "typo": { none: true }
  nodeMonitorGracePeriod: 4s
  defaultTolerationSeconds: 30
"""

_BEGINNING = f"""\
# The cluster file

`sudo netemu up --config FILE` makes the cluster that a file describes; a scenario's
`spec.cluster` takes the same fields as `spec` here. Every field may be left out.

```yaml
{EXAMPLE}```

What is wrong is said in one sentence with file, line and field, before anything is made. A
cluster that is there stays as it was made: `up` says where the file differs.

Nodes also come and go in a cluster that runs, and die and are cut off:
`netemu node --help`. What was done so is kept, over `stop` and `start`, too.

Everything below is made from the code; a test keeps it so.
"""

_SECTIONS = {
    "ClusterMetadata": "metadata",
    "ClusterSpec": "spec",
    "ClusterNode": "spec.nodes[]",
    "ClusterTaint": "spec.nodes[].taints[]",
    "ClusterCapacity": "spec.nodes[].capacity",
    "ClusterDns": "spec.dns",
    "ImageRule": "spec.images.PATTERN",
}


def render() -> str:
    """Return the whole page."""
    parts = [_BEGINNING]
    for name, path in _SECTIONS.items():
        struct = getattr(cluster_v1alpha1, name)
        intro = f"{_docstring(struct)}\n\n" if _docstring(struct) else ""
        rows = "".join(_row(field, _said(struct)) for field in msgspec.structs.fields(struct))
        head = "| Field | Default | Means |\n| --- | --- | --- |\n"
        parts.append(f"## `{path}`\n\n{intro}{head}{rows}")
    return "\n".join(parts)


def described() -> set[str]:
    """Return the structs that have a section."""
    return set(_SECTIONS)


def structs(module: ModuleType) -> set[str]:
    """Return all that a cluster file is made of, but for its outermost shell."""
    found = inspect.getmembers(module, inspect.isclass)
    ours = {n for n, kind in found if issubclass(kind, ApiStruct) and kind is not ApiStruct}
    return ours - {"Cluster"}


def _docstring(struct: type[ApiStruct]) -> str | None:
    return ast.get_docstring(_class_of(struct))


def _class_of(struct: type[ApiStruct]) -> ast.ClassDef:
    tree = ast.parse(inspect.getsource(struct))
    assert isinstance(tree.body[0], ast.ClassDef)
    return tree.body[0]


def _said(struct: type[ApiStruct]) -> dict[str, str]:
    """Return the words below each field."""
    body = _class_of(struct).body
    said = {}
    for field, words in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(words.value, ast.Constant)
            said[field.target.id] = " ".join(str(words.value.value).split())
    return said


def _row(field: msgspec.structs.FieldInfo, said: dict[str, str]) -> str:
    return f"| `{field.encode_name}` | {_default(field)} | {said[field.name]} |\n"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT or value in ("", None):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
