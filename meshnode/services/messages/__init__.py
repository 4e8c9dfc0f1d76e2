"""Text from person to person: kept until delivered, delivered once and in order, whoever crashes meanwhile."""

from meshnode.services.messages.message import Counts, Letter, RequestView, StoredMessage
from meshnode.services.messages.service import MessagesService
from meshnode.services.messages.tables import DATABASE, MIGRATIONS

__all__ = ["DATABASE", "MIGRATIONS", "Counts", "Letter", "MessagesService", "RequestView", "StoredMessage"]
