"""``python -m fermatnet.bench.door --count 2000 --seed 0``: random torch models, each refused by name or
equal in every form; a table."""

import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import click
import torch

from fermatnet.bench.door.check import Outcome, check


def _extras(outcomes: list[Outcome]) -> Counter[str]:
    """How often each thing was done to a model."""
    return Counter(filter(None, ", ".join(outcome.extras for outcome in outcomes).split(", ")))


@click.command()
@click.option("--count", default=150, help="models")
@click.option("--seed", default=0, help="of the first; the others follow")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="write every outcome here"
)
def main(count: int, seed: int, file: Path | None) -> None:
    """Random torch models at the door of convert."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    outcomes: list[Outcome] = []
    try:
        with click.progressbar(range(seed, seed + count), label="models", file=sys.stderr) as seeds:
            for number in seeds:
                outcomes.append(check(number))
                if outcomes[-1].problem:
                    click.echo(f"\nseed {number}: {outcomes[-1].problem}: {outcomes[-1].refused}", err=True)
    except KeyboardInterrupt:  # what is done so far is worth its table
        count = len(outcomes)
    accepted = sum(not outcome.refused and not outcome.problem for outcome in outcomes)
    problems = [outcome for outcome in outcomes if outcome.problem]
    print(
        f"seeds {seed} to {seed + count - 1}: {accepted} of {count} accepted and equal "
        f"({100 * accepted / max(count, 1):.1f} %), "
        f"{sum(bool(outcome.refused) for outcome in outcomes)} refused by name, {len(problems)} problems"
    )
    print("| refused for | models |\n|---|---|")
    for reason, times in Counter(outcome.reason for outcome in outcomes if outcome.refused).most_common():
        print(f"| {reason} | {times} |")
    print("| done to the model | models | accepted |\n|---|---|---|")
    done, passed = (_extras(some) for some in (outcomes, [o for o in outcomes if not o.refused]))
    for extra, times in done.most_common():
        print(f"| {extra} | {times} | {passed[extra]} |")
    for outcome in problems:
        print(
            f"seed {outcome.seed} ({outcome.scheme}; {outcome.extras}): {outcome.problem}: {outcome.refused}"
        )
    if file is not None:
        file.write_text(json.dumps([outcome.row() for outcome in outcomes], indent=1) + "\n")
    sys.exit(bool(problems))


main()
