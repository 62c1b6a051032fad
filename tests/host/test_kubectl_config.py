"""The user's kubeconfig: what is ours comes and goes, everything else stays to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netemu.errors import HostBusyError, UserError
from netemu.host import kubectl_config
from netemu.host.kubectl_config import add_context, remove_context
from netemu.model.documents import read_documents


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".kube" / "config"


def _of(cluster: str) -> dict[str, Any]:
    name = f"netemu-{cluster}"
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{cluster}"}}],
        "users": [{"name": name, "user": {"token": cluster}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def _read(text: str) -> dict[str, Any]:
    """Read YAML as Kubernetes does: a time is text."""
    documents = read_documents(text)
    return documents[0].obj if documents else {}


def _current(config: Path) -> str | None:
    return _read(config.read_text()).get("current-context")


def test_a_file_that_we_made_goes_with_its_folder(config: Path):
    """Where there was nothing there is nothing again."""
    add_context("lab", _of("lab"))
    assert _current(config) == "netemu-lab"
    assert config.stat().st_mode & 0o777 == 0o600
    remove_context("lab", config)
    assert not config.parent.exists()


def test_a_folder_with_something_in_it_stays(config: Path):
    """kubectl's cache beside the file that we made is not ours."""
    add_context("lab", _of("lab"))
    (config.parent / "cache").mkdir()
    remove_context("lab", config)
    assert [path.name for path in config.parent.iterdir()] == ["cache"]


def test_a_file_that_was_empty_before_stays(config: Path):
    """Only what we made is removed: somebody's frame without entries is theirs."""
    config.parent.mkdir()
    frame = "apiVersion: v1\nkind: Config\n"
    config.write_text(frame)
    add_context("lab", _of("lab"))
    remove_context("lab", config, original=frame.encode())
    assert config.read_text() == frame


_ODD = """\
# Written by hand.
apiVersion: v1
kind: Config
current-context: prod   # careful
clusters:
- {name: prod, cluster: {server: "https://prod", insecure-skip-tls-verify: yes}}
contexts:
- context: &here {cluster: prod, user: me}
  name: prod
- name: same
  context: *here
users:
- name: me
  user: {token: 0123, expiry: 2020-01-01T00:00:00Z, port: 1e5, x: ~, ünï: 'cödé'}
extensions: []
"""


@pytest.mark.parametrize(
    "text",
    [
        _ODD,
        '{"apiVersion": "v1", "clusters": null, "current-context": "", "users": []}\n',
        "clusters:\ncontexts:\nusers:\n",
        "---\n# nothing but a comment\n",
    ],
)
def test_odd_files_are_the_same_again_to_the_byte(config: Path, text: str):
    """Comments, anchors, null sections, JSON: as if we had never been there."""
    config.parent.mkdir()
    config.write_text(text)
    config.chmod(0o644)
    before = _read(text)
    add_context("lab", _of("lab"))
    during = _read(config.read_text())
    assert during["current-context"] == "netemu-lab"
    for section in ("clusters", "users", "contexts"):
        assert during[section][:-1] == (before.get(section) or [])
    remove_context("lab", config, original=text.encode())
    assert config.read_text() == text
    assert config.stat().st_mode & 0o777 == 0o644


def test_entries_of_others_are_copied_as_text(config: Path):
    """What looks like a number or a date is left as it was written, not read and rewritten."""
    config.parent.mkdir()
    config.write_text(_ODD)
    add_context("lab", _of("lab"))
    user = "user: {token: 0123, expiry: '2020-01-01T00:00:00Z', port: 1e5, x: ~, ünï: 'cödé'}"
    assert user in config.read_text()


def test_what_changed_meanwhile_stays_changed(config: Path):
    """A context that somebody added or chose in between is not undone."""
    config.parent.mkdir()
    config.write_text(_ODD)
    add_context("lab", _of("lab"))
    now = config.read_text().replace("current-context: netemu-lab", "current-context: same")
    config.write_text(now + "colour: blue\n")
    remove_context("lab", config, original=_ODD.encode())
    after = _read(config.read_text())
    assert (after["current-context"], after["colour"]) == ("same", "blue")
    assert [entry["name"] for entry in after["contexts"]] == ["prod", "same"]


@pytest.mark.parametrize("order", [("lab", "lab-2"), ("lab-2", "lab")])
def test_two_clusters_in_any_order(config: Path, order: tuple[str, str]):
    """The context of before both comes back, whichever of them goes first."""
    config.parent.mkdir()
    config.write_text(_ODD)
    add_context("lab", _of("lab"))
    add_context("lab-2", _of("lab-2"))
    for cluster in order:
        remove_context(cluster, config)
    assert _current(config) == "prod"
    assert _read(config.read_text()) == _read(_ODD)


def test_the_last_of_two_removes_the_file_that_the_first_made(config: Path):
    """Who made the file is remembered by those that are left in it."""
    add_context("lab", _of("lab"))
    add_context("lab-2", _of("lab-2"))
    remove_context("lab", config)
    assert _current(config) == "netemu-lab-2"
    remove_context("lab-2", config)
    assert not config.parent.exists()


def test_a_context_that_went_does_not_become_current(config: Path):
    """If what was current before is gone, nothing is, rather than something that is not there."""
    config.parent.mkdir()
    config.write_text("current-context: gone\ncolour: blue\n")
    add_context("lab", _of("lab"))
    remove_context("lab", config)
    assert _current(config) is None


def test_a_second_time_changes_nothing(config: Path):
    """Adding again replaces our entries; removing again, or what never was, does nothing."""
    config.parent.mkdir()
    config.write_text(_ODD)
    add_context("lab", _of("lab"))
    once = config.read_text()
    add_context("lab", _of("lab"))
    assert config.read_text() == once
    remove_context("lab", config, original=_ODD.encode())
    remove_context("lab", config, original=_ODD.encode())
    remove_context("other", config)
    assert config.read_text() == _ODD


def test_a_link_stays_a_link(config: Path, tmp_path: Path):
    """Whoever keeps dotfiles elsewhere finds the entry there."""
    real = tmp_path / "dotfiles"
    real.write_text(_ODD)
    config.parent.mkdir()
    config.symlink_to(real)
    add_context("lab", _of("lab"))
    assert config.is_symlink()
    assert "netemu-lab" in real.read_text()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [\n", 2, "not one YAML document"),
        ("a: 1\n---\nb: 2\n", 2, "not one YAML document"),
        ("- a\n", 0, "not a kubeconfig: expected a mapping"),
        ("x: 1\nusers: me\n", 2, "not a kubeconfig: users is not a list"),
    ],
)
def test_what_is_no_kubeconfig_is_not_touched(config: Path, text: str, line: int, said: str):
    """One sentence with file and line; the file stays as it is."""
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(UserError) as failure:
        add_context("lab", _of("lab"))
    where = f"{config}:{line}: " if line else f"{config}: "
    assert str(failure.value).startswith(where + said)
    assert config.read_text() == text
    assert [path.name for path in config.parent.iterdir()] == ["config"]


def test_kubectls_lock_is_respected(config: Path, monkeypatch: pytest.MonkeyPatch):
    """While another program writes we wait, and say who we waited for."""
    monkeypatch.setattr(kubectl_config, "_LOCK_PATIENCE_S", 0.05)
    config.parent.mkdir()
    lock = config.with_name("config.lock")
    lock.touch()
    with pytest.raises(HostBusyError, match=r"config\.lock is held"):
        add_context("lab", _of("lab"))
    lock.unlink()
    add_context("lab", _of("lab"))


def test_kubeconfig_variable_names_the_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first of $KUBECONFIG's files is kubectl's, and ours."""
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/two")
    add_context("lab", _of("lab"))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_caller_without_an_account(monkeypatch: pytest.MonkeyPatch):
    """Behind sudo by a user of some directory service, or in a container: no traceback."""
    monkeypatch.setenv("SUDO_UID", "424242")
    monkeypatch.setenv("SUDO_GID", "525252")
    person = kubectl_config.caller()
    assert (person.uid, person.gid) == (424242, 525252)
