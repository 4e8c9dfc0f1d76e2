"""Whose fault it is decides what follows.

MeshError
├── LocalError      we broke our own rules: a bug; let the node crash
├── RemoteError     the peer broke the rules: drop, count, lower its score
├── LinkError       neither did, the world got in the way: try another link, or later
├── RefusedError    somebody may not have what was asked for; the sentence says what to do next
├── SettingsError   the operator asks for something that does not exist
└── StoreError      the disk does not keep what it was given
"""


class MeshError(Exception):
    """Root of all that we raise on purpose."""


class LocalError(MeshError):
    """We broke our own rules: a bug. Let the node crash."""


class RemoteError(MeshError):
    """The peer broke the rules. Drop what it sent, count it, lower its score.

    `reason` is a short fixed word in snake case; counters and logs are keyed by it.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class LinkError(MeshError):
    """Neither side did wrong: the world got in the way. Try another link, or later."""


class RefusedError(MeshError):
    """A request that is understood and denied. The message is a sentence for a person that says what to do.

    `code` is a short fixed word in snake case, for programs.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class SettingsError(MeshError):
    """The operator asks for something that does not exist."""


class StoreError(MeshError):
    """The disk does not keep what it was given (full, read-only, damaged)."""
