"""UPnP by miniupnpc, with a router that answers as the test wishes."""

import sys
from types import ModuleType
from typing import Any

import pytest

from protocols.errors import LinkError
from transports.portmap import Forwarded, UpnpMapper


class RouterError(Exception):
    """The library itself raises bare ones, with the words of the router."""


class Router:
    """As `miniupnpc.UPnP`."""

    lanaddr = "192.168.1.2"

    def __init__(self) -> None:
        self.there = True
        self.taken: set[int] = set()
        self.leases = True
        self.mapped: dict[int, int] = {}  # outside port -> seconds
        self.tells_address = True
        self.searches = 0

    def discover(self) -> int:
        self.searches += 1
        return int(self.there)

    def selectigd(self) -> str:
        if not self.there:
            raise RouterError("Success")
        return "http://192.168.1.1/"

    def externalipaddress(self) -> str:
        if not self.tells_address:
            raise RouterError("Action Failed")
        return "45.0.1.2"

    def addportmapping(self, outside: int, kind: str, host: str, port: int, *rest: Any) -> bool:
        assert (kind, host) == ("UDP", self.lanaddr)
        if outside in self.taken:
            raise RouterError("ConflictInMappingEntry")
        if rest[-1] and not self.leases:
            raise RouterError("OnlyPermanentLeasesSupported")
        self.mapped[outside] = rest[-1]
        return True

    def deleteportmapping(self, outside: int, kind: str) -> bool:
        if outside not in self.mapped:
            raise RouterError("NoSuchEntryInArray")
        del self.mapped[outside]
        return True


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    one, library = Router(), ModuleType("miniupnpc")

    def make(**_: object) -> Router:
        return one

    monkeypatch.setattr(library, "UPnP", make, raising=False)
    monkeypatch.setitem(sys.modules, "miniupnpc", library)
    return one


async def test_a_port_is_opened_renewed_and_taken_back(router: Router) -> None:
    mapper = UpnpMapper()
    assert await mapper.open(7_420, life_s=60) == Forwarded("45.0.1.2", 7_420, 60)
    assert await mapper.open(7_420, life_s=90) == Forwarded("45.0.1.2", 7_420, 90)
    assert (router.mapped, router.searches) == ({7_420: 90}, 1)
    await mapper.withdraw()
    assert router.mapped == {}


async def test_a_router_that_knows_no_leases_gets_a_lasting_mapping(router: Router) -> None:
    router.leases = False
    assert (await UpnpMapper().open(7_420, life_s=60)).life_s == 0


async def test_where_another_device_has_the_port_the_next_is_taken_and_kept(router: Router) -> None:
    router.taken = {7_420, 7_421}
    mapper = UpnpMapper()
    assert (await mapper.open(7_420, life_s=60)).port == 7_422
    router.taken.clear()
    assert (await mapper.open(7_420, life_s=60)).port == 7_422


async def test_ports_wrap_around_above_those_that_need_rights(router: Router) -> None:
    router.taken = {65_535}
    assert (await UpnpMapper().open(65_535, life_s=60)).port == 1_024


async def test_a_router_that_refuses_is_quoted(router: Router) -> None:
    router.taken = set(range(7_420, 7_430))
    with pytest.raises(LinkError, match=r"does not forward UDP port 7420 to us \(ConflictInMappingEntry\)"):
        await UpnpMapper().open(7_420, life_s=60)


async def test_no_router_is_said_and_looked_for_again(router: Router) -> None:
    router.there, mapper = False, UpnpMapper()
    with pytest.raises(LinkError, match="no router here"):
        await mapper.open(7_420, life_s=60)
    router.there = True
    assert await mapper.open(7_420, life_s=60)
    assert router.searches == 2


async def test_a_router_that_does_not_tell_its_address_is_no_help(router: Router) -> None:
    router.tells_address = False
    with pytest.raises(LinkError, match="does not tell its own address"):
        await UpnpMapper().open(7_420, life_s=60)


async def test_nothing_is_withdrawn_where_nothing_was_opened_and_a_stubborn_router_is_quoted(
    router: Router,
) -> None:
    mapper = UpnpMapper()
    await mapper.withdraw()
    await mapper.open(7_420, life_s=60)
    router.mapped.clear()
    with pytest.raises(LinkError, match="NoSuchEntryInArray"):
        await mapper.withdraw()


async def test_without_the_library_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miniupnpc", None)
    with pytest.raises(LinkError, match="pip install"):
        await UpnpMapper().open(7_420, life_s=60)
