"""All rules that are taken out. A new one is a line of one of these lists."""

from collections.abc import Mapping
from types import MappingProxyType

from mutant import Guarded, Mutant
from rules_of_broadcast import RULES as OF_BROADCAST
from rules_of_courier import RULES as OF_COURIER
from rules_of_mesh import RULES as OF_MESH
from rules_of_messages import RULES as OF_MESSAGES
from rules_of_protocols import RULES as OF_PROTOCOLS
from rules_of_routing import RULES as OF_ROUTING

_ALL = (*OF_MESSAGES, *OF_MESH, *OF_PROTOCOLS, *OF_ROUTING, *OF_BROADCAST, *OF_COURIER)

MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {rule.name: rule for rule in _ALL if isinstance(rule, Mutant)}
)
GUARDED: Mapping[str, Guarded] = MappingProxyType(
    {rule.name: rule for rule in _ALL if isinstance(rule, Guarded)}
)
