"""Finding nodes that moved, and holders of what is shared: the directory, over rpc. docs/directory.md."""

from meshnode.services.directory.ports import Book, Roads, Sight
from meshnode.services.directory.service import DirectoryService, DirectoryView, Found
from meshnode.services.directory.store import DATABASE, MIGRATIONS

__all__ = ["DATABASE", "MIGRATIONS", "Book", "DirectoryService", "DirectoryView", "Found", "Roads", "Sight"]
