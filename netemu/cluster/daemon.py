"""The daemon of one cluster: `python -m netemu.cluster.daemon NAME`.

It may be killed at any moment. What it made goes on without it, and the next daemon
of the same name finds and adopts it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time

from netemu.cluster.launch import AGAIN, PRELOAD, Reporter, wait_for_go
from netemu.daemons.supervisor import keep_running
from netemu.errors import MissingFacility, NetemuError
from netemu.host import clusters
from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.model.settings import ClusterSettings

log = logging.getLogger("netemu")


_COLLECT_AFTER = (20_000, 20, 20)
"""Objects of the API come by the thousand and stay; what goes is mostly not circular."""


def main() -> None:
    """Run until SIGTERM."""
    gc.disable()  # Until everything is imported and made: nothing of that is garbage.
    parser = argparse.ArgumentParser(prog="netemu-daemon")
    parser.add_argument("cluster")
    parser.add_argument("--progress-fd", type=int, default=-1)
    parser.add_argument("--began", type=float, default=None)
    parser.add_argument(AGAIN, action="store_true", help="the same process begins anew")
    parser.add_argument("--zygote-fd", type=int, default=-1, help="ends when the zygote listens")
    options = parser.parse_args()
    if not options.again and not wait_for_go():
        return
    began = time.monotonic() if options.began is None else options.began
    reporter = Reporter(options.progress_fd, began)
    settings = clusters.load_settings(options.cluster)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    import setproctitle
    import uvloop

    setproctitle.setproctitle(f"netemu: daemon of {settings.name}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(settings, reporter, options.zygote_fd, again=options.again)))


async def _run(
    settings: ClusterSettings, reporter: Reporter, zygote_fd: int, *, again: bool
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            living = group.create_task(_live(settings, reporter, zygote_fd, again=again))
            await stop.wait()
            living.cancel()
    except BaseExceptionGroup as failures:
        error = _first(failures)
        log.exception("cannot go on")
        reporter.failed(str(error), missing=isinstance(error, MissingFacility))
        return 1
    return 0


def _first(failures: BaseException) -> BaseException:
    while isinstance(failures, BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures


async def _live(
    settings: ClusterSettings, reporter: Reporter, zygote_fd: int, *, again: bool
) -> None:
    """Bring the cluster up, say so, and keep it running."""
    record = _Record(settings, reporter)

    async def start() -> None:
        await start_zygote(settings.run_dir, settings.state_dir, settings.name, PRELOAD)

    from netemu.cluster import control, readiness, upkeep
    from netemu.cluster.wiring import ClusterDaemon

    daemon = ClusterDaemon(settings)
    api = daemon.open_api()
    async with asyncio.TaskGroup() as group:
        url = await daemon.serve_api(group)
        daemon.start_controllers(group)
        await daemon.make_addons()
        record.reached("API server answers", url)
        await _ended(zygote_fd)
        await start()  # Where it could not be started, this says why.
        runtime = await ZygoteRuntime.connect(settings.run_dir, revive=start)
        await daemon.wire_nodes(runtime)
        await daemon.serve_pods()
        record.reached("nodes cabled")
        daemon.start_nodes(group)
        _collect_garbage()
        client = api.client(daemon._user("system:netemu"))  # noqa: SLF001
        keeper = upkeep.Upkeep(daemon, client=client, alone=daemon.converging, begins_again=again)
        group.create_task(keep_running("upkeep", keeper.run))
        ready = daemon.reachable()
        await readiness.nodes_ready(client, ready)
        count = len(ready)
        record.reached(f"{count} node{'s' if count != 1 else ''} ready")
        await readiness.dns_answers(settings, daemon.nodes)
        record.reached("DNS answers on every node")
        async with control.listening(settings.name, daemon.converge):
            record.ready()
            await asyncio.Event().wait()


def _collect_garbage() -> None:
    """Begin to collect, but never look at what is there now: modules, mostly."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


async def _ended(descriptor: int) -> None:
    """Wait until the other end of a pipe is closed."""
    if descriptor < 0:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class _Record:
    """Keeps daemon.json true, and whoever waits informed."""

    def __init__(self, settings: ClusterSettings, reporter: Reporter) -> None:
        self._cluster = settings.name
        self._reporter = reporter
        self._record = clusters.record_of(os.getpid())
        self._write()

    def reached(self, stage: str, url: str = "") -> None:
        progress = self._reporter.stage(stage)
        self._record.stages = [*self._record.stages, (stage, progress.at_s)]
        self._record.api_url = url or self._record.api_url
        self._write()

    def ready(self) -> None:
        self._record.ready = True
        self._write()
        self._reporter.ready()

    def _write(self) -> None:
        clusters.save_record(self._cluster, self._record)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, NetemuError):
        main()
