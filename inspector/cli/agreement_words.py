"""Prints how far reviewers agree with the truth and with each other."""

from inspector.cli.printable import print_line
from inspector.review.agreement import AgainstTruth, BetweenPeople, Kappa, Proportion


def print_reviewer(person: AgainstTruth) -> None:
    print_line(f"{person.reviewer} on known pieces:")
    print_line(f"  misses        {_share(person.misses)} of the defective ones")
    print_line(f"  false alarms  {_share(person.false_alarms)} of the good ones")
    print_line(f"  did not know  {_share(person.unsure)}")
    print_line(f"  kappa         {_kappa(person.kappa)}")
    for note in person.notes:
        print_line(f"  - {note}")


def print_pair(pair: BetweenPeople) -> None:
    print_line(f"{pair.first} and {pair.second} on the same pieces:")
    print_line(f"  same answer   {_share(pair.equal)}")
    print_line(f"  only {pair.first} said NOK   {_share(pair.only_first_nok)}")
    print_line(f"  only {pair.second} said NOK  {_share(pair.only_second_nok)}")
    print_line(f"  kappa         {_kappa(pair.kappa)}")
    for note in pair.notes:
        print_line(f"  - {note}")


def _share(proportion: Proportion) -> str:
    if proportion.share is None:
        return "none seen"
    interval = f"{proportion.low:.1%} to {proportion.high:.1%}"
    return f"{proportion.count} of {proportion.total} = {proportion.share:.1%} ({interval})"


def _kappa(kappa: Kappa | None) -> str:
    return "not defined" if kappa is None else f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
