"""When something that failed is tried again, when its sender is told, and when it is given up.

Pure.  RFC 5321 4.5.4.1 (sending strategy): the pauses grow, and it goes on for four days at least.  What must stay
true: the number of tries is fixed, so that everything ends; chance spreads what failed together.
"""

from dataclasses import dataclass

SPREAD = 0.25  # a pause is up to so much longer, by chance


@dataclass(frozen=True, slots=True)
class Schedule:
    """tries: in all; first_pause_s: doubled after each try, up to longest_pause_s; warn_after_s: of acceptance."""

    tries: int
    first_pause_s: float
    longest_pause_s: float
    warn_after_s: float

    def pause_s(self, attempts: int, chance: float) -> float:
        """Seconds before the next try.  attempts: so far, from 1; chance: 0 to 1."""
        pause = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempts - 1, 40))
        return pause * (1 + SPREAD * chance)

    def next_at(self, attempts: int, now: int, chance: float) -> int | None:
        """The time of the next try, or None where that was the last."""
        return None if attempts >= self.tries else now + int(self.pause_s(attempts, chance)) + 1

    def ends_at(self, attempts: int, now: int) -> int:
        """When it is given up if nothing gets better, about: for Will-Retry-Until (RFC 3464 2.3.9)."""
        return now + int(sum(self.pause_s(each, 0.5) for each in range(attempts, self.tries)))
