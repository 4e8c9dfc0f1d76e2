"""For people who are away: messages sealed to a prekey, carried by whoever may meet them."""

from meshnode.services.courier.service import CourierService, CourierView, PrekeyView, UnderWay
from meshnode.services.courier.tables import DATABASE, MIGRATIONS

__all__ = ["DATABASE", "MIGRATIONS", "CourierService", "CourierView", "PrekeyView", "UnderWay"]
