"""The work queue keeps client-go's promises."""

from __future__ import annotations

import asyncio

from netemu.client.work_queue import WorkQueue


async def next_of(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 2)


async def test_keys_come_once_and_in_order():
    """A key that is added often is worked on once."""
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert [await next_of(queue), await next_of(queue)] == ["a", "b"]
    assert len(queue) == 0


async def test_key_in_work_waits_for_its_worker():
    """A key that is added while a worker has it comes back when that worker is done."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await next_of(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0, "no second worker may get it"
    queue.done("a")
    assert await next_of(queue) == "a"
    queue.done("a")
    assert queue.idle


async def test_waiting_workers_share_the_work():
    """Each of several waiting workers gets a key of its own."""
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in ("a", "b", "c"):
        queue.add(key)
    assert sorted(await asyncio.wait_for(asyncio.gather(*workers), 2)) == ["a", "b", "c"]


async def test_cancelled_worker_loses_nothing():
    """A key whose worker is cancelled while being woken goes to another."""
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 2) == "a"


async def test_delayed_key_comes_at_the_earliest_time():
    """Of several delays of one key the shortest counts, and it comes once."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)
    queue.add_after("a", 30)
    assert await next_of(queue) == "a"
    queue.done("a")
    assert queue.idle


def test_delays_too_short_to_be_delays():
    """Less than uvloop's clock can tell is not later, and the queue does not mind."""
    import uvloop

    async def twice() -> str:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 1e-6)
        queue.add_after("a", 1e-7)
        queue.add_after("a", 30)
        return await next_of(queue)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(twice()) == "a"


async def test_back_off_grows_until_forgotten():
    """Each failure in a row doubles the pause."""
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()

    async def pause() -> float:
        began = loop.time()
        queue.add_rate_limited("a")
        await next_of(queue)
        queue.done("a")
        return loop.time() - began

    pauses = [await pause() for _ in range(4)]
    assert pauses[3] >= 0.04
    queue.forget("a")
    assert await pause() < pauses[3]
