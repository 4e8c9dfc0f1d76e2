"""The courier, in the words of the control API."""

from collections.abc import Callable

from meshnode.control import courier_shapes
from meshnode.services.courier import CourierView, PrekeyView
from meshnode.times import rfc3339
from protocols.ids import NodeId, node_id_text

NS_PER_S = 1_000_000_000


def status_of(view: CourierView, name: Callable[[NodeId], str]) -> courier_shapes.CourierStatus:
    return courier_shapes.CourierStatus(
        carry=view.carry,
        carried=view.objects,
        carried_bytes=view.bytes,
        quota_bytes=view.quota_bytes,
        own=view.own,
        under_way=[
            courier_shapes.UnderWay(
                to=node_id_text(each.to),
                to_name=name(each.to),
                messages=each.messages,
                couriers=each.couriers,
                expires_at=_at(each.expires_s),
            )
            for each in view.under_way
        ],
        people=view.bundles,
        notes=view.notes,
        prekey=None if view.prekey is None else prekey_of(view.prekey),
        counts=dict(view.counts),
    )


def prekey_of(view: PrekeyView) -> courier_shapes.Prekey:
    return courier_shapes.Prekey(
        id=view.id.hex(),
        made_at=_at(view.made_s),
        expires_at=_at(view.expires_s),
        kept=view.kept,
        hybrid=view.hybrid,
    )


def _at(seconds: int) -> str:
    return rfc3339(seconds * NS_PER_S)
