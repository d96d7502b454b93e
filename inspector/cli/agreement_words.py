"""Prints how far reviewers agree with the truth and with each other."""

from inspector.cli.printable import print_line
from inspector.review.agreement import AgainstTruth, BetweenPeople, Kappa, Proportion


def print_reviewer(found: AgainstTruth) -> None:
    print_line(f"{found.reviewer} on known pieces:")
    print_line(f"  misses        {_share(found.misses)} of the defective ones")
    print_line(f"  false alarms  {_share(found.false_alarms)} of the good ones")
    print_line(f"  did not know  {_share(found.unsure)}")
    print_line(f"  kappa         {_kappa(found.kappa)}")
    for note in found.notes:
        print_line(f"  - {note}")


def print_pair(found: BetweenPeople) -> None:
    print_line(f"{found.first} and {found.second} on the same pieces:")
    print_line(f"  same answer   {_share(found.equal)}")
    print_line(f"  only {found.first} said NOK   {_share(found.only_first_nok)}")
    print_line(f"  only {found.second} said NOK  {_share(found.only_second_nok)}")
    print_line(f"  kappa         {_kappa(found.kappa)}")
    for note in found.notes:
        print_line(f"  - {note}")


def _share(found: Proportion) -> str:
    if found.share is None:
        return "none seen"
    return f"{found.count} of {found.total} = {found.share:.1%} ({found.low:.1%} to {found.high:.1%})"


def _kappa(found: Kappa | None) -> str:
    return "not defined" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
