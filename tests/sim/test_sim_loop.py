import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import pytest

from sim.loop import RealWorldError, SimLoop, run_in_loop
from sim.timeline import NS_PER_S, StandsStillError, Timeline

Live: TypeAlias = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture
def live() -> Live:
    """Runs on a loop of its own; this test's own loop is a real one and plays no part."""
    return lambda main: run_in_loop(Timeline(), main())


def test_a_day_of_sleep_takes_no_time_and_ends_to_the_nanosecond() -> None:
    timeline = Timeline()
    run_in_loop(timeline, asyncio.sleep(86_400))
    assert timeline.now_ns == 86_400 * NS_PER_S


def test_a_deadline_below_a_nanosecond_still_passes() -> None:
    timeline = Timeline()
    run_in_loop(timeline, asyncio.sleep(1e-12))
    assert timeline.now_ns == 1


def test_sleepers_wake_in_order_whatever_the_order_of_their_tasks(live: Live) -> None:
    async def main() -> list[int]:
        woken: list[int] = []

        async def sleep(span_s: int) -> None:
            await asyncio.sleep(span_s)
            woken.append(span_s)

        await asyncio.gather(*(sleep(span_s) for span_s in (3, 1, 2)))
        return woken

    assert live(main) == [1, 2, 3]


def test_models_and_tasks_share_one_time() -> None:
    timeline = Timeline()

    async def main() -> list[str]:
        seen: list[str] = []
        timeline.at(1_500_000_000, "model", seen.append, "model")
        await asyncio.sleep(1)
        seen.append("task")
        await asyncio.sleep(1)
        seen.append("task")
        return seen

    assert run_in_loop(timeline, main()) == ["task", "model", "task"]


def test_a_timeout_in_virtual_time_cancels_what_takes_longer(live: Live) -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert live(main) == 5.0


def test_a_cancelled_timer_leaves_nothing_on_the_timeline() -> None:
    timeline = Timeline()

    async def main() -> int:
        asyncio.get_running_loop().call_later(1_000, lambda: None).cancel()
        return len(timeline)

    assert run_in_loop(timeline, main()) == 0


def test_everybody_waiting_for_ever_is_told_not_waited_for(live: Live) -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StandsStillError):
        live(main)


def a_thread(loop: SimLoop) -> object:
    return loop.run_in_executor(None, print)


def a_call_from_another_thread(loop: SimLoop) -> object:
    return loop.call_soon_threadsafe(print)


@pytest.mark.parametrize("ask", [a_thread, a_call_from_another_thread])
def test_what_would_bring_the_real_world_in_is_refused(live: Live, ask: Callable[[SimLoop], object]) -> None:
    async def main() -> None:
        with pytest.raises(RealWorldError):
            ask(cast("SimLoop", asyncio.get_running_loop()))

    live(main)


def test_host_names_are_refused(live: Live) -> None:
    async def main() -> None:
        with pytest.raises(RealWorldError):
            await asyncio.get_running_loop().getaddrinfo("example.org", 443)

    live(main)


def test_what_nobody_caught_is_kept_as_a_fault() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [str(fault["exception"]) for fault in loop.faults]

    assert run_in_loop(Timeline(), main()) == ["division by zero"]


def test_tasks_that_are_left_clean_up_without_time_passing() -> None:
    timeline, said = Timeline(), list[str]()

    async def main() -> None:
        async def stay() -> None:
            try:
                await asyncio.sleep(1_000)
            finally:
                said.append("good-bye")

        staying = asyncio.create_task(stay())
        await asyncio.sleep(1)
        assert not staying.done()

    run_in_loop(timeline, main())
    assert said == ["good-bye"]
    assert timeline.now_ns == NS_PER_S


def test_two_runs_of_the_same_give_the_same_digest() -> None:
    def digest() -> str:
        timeline = Timeline()

        async def main() -> None:
            async def walk(number: int) -> None:
                for _ in range(20):
                    await asyncio.sleep(0.001 * (number % 7 + 1))

            await asyncio.gather(*(walk(number) for number in range(50)))

        run_in_loop(timeline, main())
        return timeline.digest()

    assert digest() == digest()


def test_tasks_in_sets_come_in_the_order_of_their_making_whatever_their_addresses(live: Live) -> None:
    """Task groups cancel theirs in the order of a set."""

    async def wait(number: int, ended: list[int]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def fail_among_many(ended: list[int]) -> None:
        async with asyncio.TaskGroup() as crew:
            for number in range(40):
                crew.create_task(wait(number, ended))
            await asyncio.sleep(1)
            raise ValueError

    async def main() -> list[int]:
        ended: list[int] = []
        with pytest.raises(ExceptionGroup):
            await fail_among_many(ended)
        return ended

    assert live(main) == live(main) == sorted(live(main))
