"""The way something would go from here, asked hop by hop: each node on it asks the next."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from meshnode.ports import MeshView, Rpc
from meshnode.services.mesh.frames import Question, Step, StepEnd, decode_steps
from meshnode.services.mesh.limits import HOP_MS, HOP_MS_MIN, HOPS_MAX, PREFIX_BYTES
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import NodeId

SERVICE, METHOD = "mesh", "trace"
NS_PER_US = 1_000
MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class Trace:
    steps: list[Step]
    end: StepEnd

    @property
    def hops(self) -> int:
        return len(self.steps) - 1


class Tracer:
    def __init__(
        self,
        view: MeshView,
        rpc: Rpc,
        now_ns: Callable[[], int],
        shown: Callable[[NodeId], bytes],
        answered: Callable[[NodeId, bool], None],
    ) -> None:
        """`shown`: as what we name a node to others. `answered`: whether this neighbour did, in time."""
        self._view, self._rpc, self._now_ns, self._shown = view, rpc, now_ns, shown
        self._answered = answered

    async def ask(self, question: Question) -> list[Step]:
        """Our step, and what the next one says. Never raises but where it is cancelled."""
        me, to = self._view.me, question.to
        found = self._view.next_step(to)
        neighbour = found.neighbour
        if neighbour is None:
            end: StepEnd = "arrived" if found.reason == "arrived" else "no_route"
            return [self._step(found.reason, b"", found.cost, "", None, end)]
        shown, transport = self._shown(neighbour), self._transport(neighbour)
        seen = (*question.seen, me[:PREFIX_BYTES])
        left_ms = question.left_ms - min(HOP_MS, question.left_ms // 8)
        if neighbour[:PREFIX_BYTES] in seen:
            return [self._step(found.reason, shown, found.cost, transport, None, "loop")]
        if question.hops_left == 1 or len(seen) >= HOPS_MAX:
            return [self._step(found.reason, shown, found.cost, transport, None, "too_far")]
        if left_ms < HOP_MS_MIN:
            return [self._step(found.reason, shown, found.cost, transport, None, "out_of_time")]
        began_ns = self._now_ns()
        rest = await self._rest(neighbour, Question(to, question.hops_left - 1, left_ms, seen))
        if isinstance(rest, str):
            return [self._step(found.reason, shown, found.cost, transport, None, rest)]
        took_us = (self._now_ns() - began_ns) // NS_PER_US
        return [self._step(found.reason, shown, found.cost, transport, took_us, None), *rest]

    async def _rest(self, neighbour: NodeId, question: Question) -> list[Step] | StepEnd:
        try:
            async with asyncio.timeout(question.left_ms / MS_PER_S):
                body = await self._rpc.call(
                    neighbour, SERVICE, METHOD, question.encode(), timeout_s=question.left_ms / MS_PER_S
                )
            self._answered(neighbour, True)
            steps = decode_steps(body)
        except TimeoutError:  # it would have answered "out_of_time" before
            self._answered(neighbour, False)
            return "silent"
        except LinkError:
            return "silent"
        except RefusedError as error:
            return "busy" if error.code == "too_often" else "refused"
        except RemoteError:
            return "refused"
        return steps if len(steps) <= question.hops_left else "too_far"

    def _step(
        self,
        reason: str,
        following: bytes,
        cost: int | None,
        transport: str,
        answered_us: int | None,
        end: StepEnd | None,
    ) -> Step:
        return Step(self._shown(self._view.me), reason, following, cost, transport, answered_us, end)

    def _transport(self, neighbour: NodeId) -> str:
        links = next((each.links for each in self._view.neighbours() if each.peer == neighbour), ())
        return links[0].transport if links else ""
