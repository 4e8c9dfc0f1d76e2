"""The clocks of one simulated machine, made from the true time.

The monotonic clock counts from each boot, runs a little fast or slow, and stands still while the machine is
suspended. The wall clock goes on through all that; it can be wrong, be set, and, where no battery keeps it, begin in
1970 at every boot. Both are computed from a fixed point by one whole-number division, so no error adds up.
"""

from collections.abc import Callable

from protocols.errors import SettingsError

__all__ = ["DRIFT_PPM_MAX", "EPOCH_NS", "SimClock"]

EPOCH_NS = (
    1_767_225_600 * 1_000_000_000
)  # 2026-01-01T00:00:00Z, the wall clock's true value at the true time 0
DRIFT_PPM_MAX = 100_000  # a tenth; quartz has 20 to 200
PPM = 1_000_000


class SimClock:
    """A `meshnode.world.Clock`. `true_ns` never goes back."""

    def __init__(
        self,
        true_ns: Callable[[], int],
        *,
        drift_ppm: int = 0,
        wall_drift_ppm: int | None = None,
        wall_offset_ns: int = 0,
        epoch_ns: int = EPOCH_NS,
        keeps_wall: bool = True,
    ) -> None:
        """Boots now.

        `drift_ppm`: above 0 it runs fast. `wall_drift_ppm`: None is the same; 0 is a wall clock kept right by others.
        `epoch_ns`: what a right wall clock shows at the true time 0. `keeps_wall`: False is a machine that boots in
        1970 until somebody sets its clock.
        """
        self._true_ns = true_ns
        self._keeps_wall = keeps_wall
        self._suspended = False
        self._rate = _rate(drift_ppm)
        self._wall_rate = self._rate if wall_drift_ppm is None else _rate(wall_drift_ppm)
        self._from_true_ns, self._from_ns = true_ns(), 0
        self._wall_from_true_ns = self._from_true_ns
        self._wall_from_ns = epoch_ns + self._from_true_ns + wall_offset_ns if keeps_wall else 0

    def now_ns(self) -> int:
        if self._suspended:
            return self._from_ns
        return self._from_ns + (self._true_ns() - self._from_true_ns) * self._rate // PPM

    def wall_ns(self) -> int:
        """Never before 1970, wherever steps would put it."""
        wall_ns = self._wall_from_ns + (self._true_ns() - self._wall_from_true_ns) * self._wall_rate // PPM
        return max(0, wall_ns)

    def true_for(self, local_ns: int) -> int | None:
        """The first true moment at which `now_ns` shows `local_ns` or more, as the clock runs now.

        For what it showed before its last boot, suspend or change of drift: the moment of that. None: never, since
        it stands still. Ask again after `resume` and `drift`.
        """
        if local_ns <= self._from_ns:
            return self._from_true_ns
        if self._suspended:
            return None
        return self._from_true_ns - (self._from_ns - local_ns) * PPM // self._rate

    # -- what happens to it -----------------------------------------------------------------------------------

    def boot(self) -> None:
        """The monotonic clock begins at 0 again; that is the one time when it goes back."""
        self._suspended = False
        self._from_true_ns, self._from_ns = self._true_ns(), 0
        if not self._keeps_wall:
            self.set_wall(0)

    def suspend(self) -> None:
        """Twice is harmless."""
        if not self._suspended:
            self._rebase()
            self._suspended = True

    def resume(self) -> None:
        """Twice is harmless."""
        if self._suspended:
            self._rebase()
            self._suspended = False

    def drift(self, drift_ppm: int, *, wall_drift_ppm: int | None = None) -> None:
        """From now on both run so; `wall_drift_ppm`: None is the same."""
        self._rebase()
        self.set_wall(self.wall_ns())
        self._rate = _rate(drift_ppm)
        self._wall_rate = self._rate if wall_drift_ppm is None else _rate(wall_drift_ppm)

    def step(self, span_ns: int) -> None:
        """The wall clock jumps, forwards or back; not below 1970."""
        self.set_wall(max(0, self.wall_ns() + span_ns))

    def set_wall(self, wall_ns: int) -> None:
        assert wall_ns >= 0, "no wall clock shows a time before 1970"
        self._wall_from_true_ns, self._wall_from_ns = self._true_ns(), wall_ns

    def _rebase(self) -> None:
        self._from_ns, self._from_true_ns = self.now_ns(), self._true_ns()


def _rate(drift_ppm: int) -> int:
    """Local nanoseconds in a million true ones."""
    if abs(drift_ppm) > DRIFT_PPM_MAX:
        raise SettingsError(f"drift is at most {DRIFT_PPM_MAX:,} ppm either way, not {drift_ppm:,}")
    return PPM + drift_ppm
