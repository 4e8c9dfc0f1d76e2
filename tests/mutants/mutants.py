"""All mutants. A new one is a line of one of these lists."""

from collections.abc import Mapping
from types import MappingProxyType

from mutant import Mutant
from rules_of_mesh import RULES as OF_MESH
from rules_of_messages import RULES as OF_MESSAGES
from rules_of_protocols import RULES as OF_PROTOCOLS

MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {mutant.name: mutant for mutant in (*OF_MESSAGES, *OF_MESH, *OF_PROTOCOLS)}
)
