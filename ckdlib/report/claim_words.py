"""Claims in words."""

from .estimates import LOWER
from .paper import Claim


def describe(claim: Claim) -> str:
    """The claim in words."""
    if not claim.rival:
        return f"{claim.method}: {_level(claim)}"
    rival = "the best baseline" if claim.rival == "baselines" else claim.rival
    what = {
        "calls": f"needs fewer calls than {rival} (% fewer)",
        "accuracy": f"is above {rival} (points)",
        "narrowing": f"is less above {rival} at the largest n than at the smallest (points)",
        "correlation": f"is nearer the teacher's correlations than {rival}",
        "height": f"has lower singular values than {rival} (log10)",
    }
    return f"{claim.method} {what[claim.quantity]}{_where(claim)}"


def label(claim: Claim) -> str:
    """The claim in few words, beside its section, pair and unit."""
    rival = "best" if claim.rival == "baselines" else claim.rival
    at = ""
    if claim.at is not None:
        at = f", {claim.at:g} %" if claim.quantity == "calls" else f", n = {claim.at:g}"
    if not rival:
        return claim.method + at
    if claim.quantity == "narrowing":
        return f"{claim.method} nears {rival}"
    sign = "<" if claim.quantity in {"calls", *LOWER} else ">"
    return f"{claim.method} {sign} {rival}{at}" + (", every n" if claim.every else "")


def _level(claim: Claim) -> str:
    if claim.quantity == "calls" and claim.value is not None:
        return f"accuracy (%) at {1000 * claim.value:.0f} calls"
    what = {
        "calls": "calls",
        "accuracy": "accuracy (%)",
        "correlation": "correlation gap",
        "height": "height (log10)",
    }
    return what[claim.quantity] + _where(claim)


def _where(claim: Claim) -> str:
    if claim.quantity == "narrowing":
        return ""
    if claim.at is not None:
        return f" at {claim.at:g} %" if claim.quantity == "calls" else f" at n = {claim.at:g}"
    if claim.every:
        return " at every n"
    return ", mean over targets" if claim.quantity == "calls" else ", mean over n"
