"""Whether a container that has ended is started again.

The container's own rules come first (`restartPolicyRules`, by its exit code), then its own
restartPolicy, then the Pod's. An init container has done its work when it succeeds; one
that is a sidecar is always started again, one that was added to look inside never.
"""

from __future__ import annotations

from netemu.core.kubelet.memory import Run, is_sidecar
from netemu.model.core_v1 import Container, ContainerRestartRule, EphemeralContainer, Pod


def restart_policy(pod: Pod) -> str:
    return pod.spec.restart_policy or "Always"


def policy_of(pod: Pod, container: Container) -> str:
    """Return the policy that counts for this container."""
    return container.restart_policy or restart_policy(pod)


def will_restart(pod: Pod, container: Container, run: Run, *, init: bool) -> bool:
    """Whether a run that has ended is followed by another."""
    if isinstance(container, EphemeralContainer):
        return False
    if init and is_sidecar(container):
        return True
    if any(_applies(rule, run.exit_code) for rule in container.restart_policy_rules):
        return not (init and run.exit_code == 0)
    policy = policy_of(pod, container)
    if policy == "Always" and not init:
        return True
    return policy != "Never" and run.exit_code != 0


def _applies(rule: ContainerRestartRule, exit_code: int) -> bool:
    """Whether a rule, all of which say "start it again", speaks of this exit."""
    codes = rule.exit_codes
    if codes is None:
        return False
    return (exit_code in codes.values) is (codes.operator == "In")
