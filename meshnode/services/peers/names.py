"""Names that people give, and how two of them are compared.

A petname is compared by its key: Unicode's compatibility caseless form (canonical caseless matching after NFKC,
Unicode 15 section 3.13, D146), without variation selectors, blanks run together. Letters of different scripts that
merely look alike stay different: docs/identity.md says so.
"""

import re
import unicodedata

from meshnode.services.peers.limits import ADDRESS_CHARS_MAX, PETNAME_CHARS_MAX, SELF_NAME_CHARS_MAX
from protocols.errors import RefusedError, SettingsError
from protocols.ids import parse_node_id
from transports.addresses import format_address, parse_address

# Categories that print nothing or reorder what is printed: control, format, surrogate, private, unassigned,
# line and paragraph separator.
UNPRINTED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks without ink
VARIATION_SELECTORS = frozenset(chr(code) for code in (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10)))
ADDRESS_SHAPE = re.compile(r"[a-z][a-z0-9+.-]{0,15}://[!-~]+")
HOST_PORT_SCHEMES = frozenset({"quic"})


def parse_petname(text: str) -> str:
    """The name as it will be shown. Raises RefusedError with a sentence for the owner."""
    name = " ".join(unicodedata.normalize("NFKC", text).split(" ")).strip()
    name = re.sub(r" +", " ", name)
    if not name or not name_key(name):
        raise RefusedError("bad_name", "a name needs at least one letter; give one that you will recognise")
    if len(name) > PETNAME_CHARS_MAX:
        raise RefusedError(
            "bad_name", f"a name has at most {PETNAME_CHARS_MAX} characters; give a shorter one"
        )
    if any(_is_invisible(letter) for letter in name):
        raise RefusedError("bad_name", "this name holds invisible or control characters; type it anew")
    if "://" in name or _is_node_id(name):
        raise RefusedError(
            "bad_name", "a name can't look like an address, an invite or a node id; choose another"
        )
    return name


def name_key(name: str) -> str:
    """Two names with one key are the same name."""
    folded = unicodedata.normalize("NFD", name).casefold()
    folded = unicodedata.normalize("NFKC", folded).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    return " ".join("".join(letter for letter in folded if not _is_ignored(letter)).split())


def shown_name(text: str) -> str:
    """A self-given name made fit to be printed: nothing invisible, nothing that moves the cursor, not too long."""
    name = unicodedata.normalize("NFKC", text)
    name = "".join(letter for letter in name if not _is_invisible(letter))
    return " ".join(name.split())[:SELF_NAME_CHARS_MAX].rstrip()


def parse_peer_address(text: str) -> str:
    """An address as the dialler reads it. Raises RefusedError."""
    text = text.strip()
    if len(text) > ADDRESS_CHARS_MAX or not ADDRESS_SHAPE.fullmatch(text):
        raise RefusedError(
            "bad_address", f"{text[:80]!r} is not an address; write it as quic://192.0.2.1:7420"
        )
    scheme = text.partition("://")[0]
    if scheme not in HOST_PORT_SCHEMES:
        return text
    try:
        return format_address(parse_address(text, scheme), scheme)
    except SettingsError as error:
        raise RefusedError("bad_address", str(error)) from None


def usable_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Of what others wrote, whatever is an address; the rest is left out."""
    return tuple(text for text in texts if len(text) <= ADDRESS_CHARS_MAX and ADDRESS_SHAPE.fullmatch(text))


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) in UNPRINTED or letter in BLANK_LETTERS


def _is_ignored(letter: str) -> bool:
    return letter in VARIATION_SELECTORS or _is_invisible(letter)


def _is_node_id(text: str) -> bool:
    try:
        parse_node_id(text)
    except RefusedError:
        return False
    return True
