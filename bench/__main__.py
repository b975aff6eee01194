"""`python -m bench`: the command line of the benchmark."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import msgspec

from bench import report
from bench.processes import ROOT, Absent, Failed, Processes
from bench.run import GATEWAYS, OURS, Run, measure
from bench.scenarios import QUICK, SCENARIOS, Options

_RESULTS = ROOT / "bench" / "results.json"
_TRIAL_RESULTS = ROOT / "bench" / "out" / "results.json"


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules[__name__].__doc__)
    some = f"comma-separated, of: {', '.join(SCENARIOS)}"
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; the figures mean nothing")
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"which scenarios; {some}")
    parser.add_argument(
        "--gateways", default=",".join(GATEWAYS), help="which gateways, comma-separated; absent peers are left out"
    )
    parser.add_argument("--rounds", type=int, help="rounds; the figures are medians over them")
    parser.add_argument("--requests", type=int, help="chat requests per gateway, over all rounds")
    parser.add_argument("--connections", type=int, help="connections of the closed loops")
    parser.add_argument("--held", type=int, help="streams held open at once")
    parser.add_argument(
        "--tollway", default=f"{sys.executable} -m tollway", help="how Tollway is called, as in a shell"
    )
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    return parser.parse_args(argv)


def _chosen(given: str, known: tuple[str, ...]) -> list[str]:
    names = given.split(",")
    wrong = set(names) - set(known)
    if wrong:
        raise Failed(f"Not known: {', '.join(sorted(wrong))}. There are: {', '.join(known)}.")
    return [name for name in known if name in names]


def _options(arguments: argparse.Namespace) -> Options:
    options = QUICK if arguments.quick else Options()
    given = {name: getattr(arguments, name) for name in ("rounds", "requests", "connections", "held")}
    changed = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(options, tollway=arguments.tollway, **changed)


def _publish(run: Run, options: Options, whole: bool, out: Path | None) -> None:
    """A whole run goes to bench/results.json and the README; any other to bench/out/."""
    text = report.markdown(run, options)
    print(f"\n{text}\n")
    path = out or (_RESULTS if whole else _TRIAL_RESULTS)
    report.write_json(run, options, path)
    print(f"Written: {path}")
    if whole and not report.write_readme(text, ROOT / "README.md"):
        print(f"README.md has no {report.START} ... {report.END}: its table was not written.")


def main(argv: list[str]) -> int:
    """Exit code: 0, or 1 if the benchmark could not be run or something was wrong with the answers or the ledger."""
    arguments = _arguments(argv)
    try:
        names = _chosen(arguments.gateways, GATEWAYS)
        only = _chosen(arguments.only, tuple(SCENARIOS))
        options = _options(arguments)
        with tempfile.TemporaryDirectory(prefix="tollway-bench-") as work, Processes(Path(work)) as processes:
            run = measure(processes, options, names, only)
    except (Absent, Failed) as told:
        print(told, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; every process that was started has ended.", file=sys.stderr)
        return 130
    full = Options()
    enough = options.rounds >= full.rounds and options.requests >= full.requests and options.held >= full.held
    whole = enough and only == list(SCENARIOS) and set(OURS) <= set(names)
    _publish(run, options, whole, arguments.out)
    ours = {name: count for name, count in run.failures.items() if name in OURS}
    if ours:
        print(f"Requests failed, and figures per success mean little beside them: {ours}", file=sys.stderr)
    return 1 if ours else 0


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main(sys.argv[1:]))
