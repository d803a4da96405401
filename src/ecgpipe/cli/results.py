"""Commands on results: compare, claims, check, publish."""

import json
import sys
from pathlib import Path

from ecgpipe.cli.parser import Arguments, argument, command, paint
from ecgpipe.errors import DataError, EcgpipeError

VERDICT_COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow", "not run": "dim"}
JSON = argument("--json", action="store_true", help="print JSON")


@command(
    argument("first", type=Path, metavar="RESULTS_A", help="a folder of results, or the folder of one run"),
    argument("second", type=Path, metavar="RESULTS_B", help="the folder to compare it with"),
    argument("-o", "--output", type=Path, metavar="FILE.html", help="write a self-contained HTML page"),
    JSON,
    argument("--resamples", type=int, default=2000, metavar="N", help="bootstrap resamples (default 2000)"),
    argument("--confidence", type=float, default=0.95, help="coverage of the intervals (default 0.95)"),
    argument("--threshold", type=float, default=0.5, help="multi-label decision threshold (default 0.5)"),
    argument("--seed", type=int, default=0, help="seed of the bootstrap (default 0)"),
    examples="""compare results/old results/new -o comparison.html
    compare results/ptb-xl/folds/swin/seed-0 results/ptb-xl/folds/vit/seed-0 --json""",
)
def compare(args: Arguments) -> None:
    """Compare two runs, or two folders of results, on the records that both report."""
    from ecgpipe.artifacts.files import write_text
    from ecgpipe.config.analysis import EvaluateConfig
    from ecgpipe.evaluate.compare_runs import compare_results, read_results_folder

    if args.output:
        import jinja2  # noqa: F401  (if it is missing, say so before the work)

    config = EvaluateConfig(
        resamples=args.resamples, confidence=args.confidence, threshold=args.threshold, seed=args.seed
    )
    comparison = compare_results(read_results_folder(args.first), read_results_folder(args.second), config)
    if args.output:
        write_text(args.output, _comparison_page(comparison))
    if args.json:
        print(json.dumps(comparison, indent=1))
    else:
        _print_comparison(comparison)
        if args.output:
            print(f"\nWrote {args.output}")


def _comparison_page(comparison: dict) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    from ecgpipe.report.collect import p_text

    environment = Environment(
        loader=PackageLoader("ecgpipe.cli"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": _score, "signed": _signed, "p_value": p_text}
    return environment.get_template("compare.html.j2").render(comparison)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _print_comparison(comparison: dict) -> None:
    from ecgpipe.report.collect import p_text

    level = 1 - comparison["confidence"]
    print(f"first: {comparison['first']}\nsecond: {comparison['second']}")
    for note in comparison["notes"]:
        print(note)
    corrected = sum(bool(pair["rows"]) for pair in comparison["pairs"]) > 1  # one pair: nothing to correct
    for pair in comparison["pairs"]:
        models = dict.fromkeys((pair["first_model"], pair["second_model"]))
        print(f"\n{pair['dataset']}, {pair['protocol']}: {' against '.join(models)}")
        sizes = f"{pair['first_records']} and {pair['second_records']} records"
        print(f"  {sizes}, {pair['common']} in both; seeds {', '.join(map(str, pair['seeds'])) or 'none in common'}")
        if pair["note"]:
            print(f"  {pair['note']}")
        for row in pair["rows"]:
            title = f"{row['metric']}, {row['test']}"
            if row["test"] != "bootstrap":
                title += f", seed {row['seeds'][0]}"
            line = f"{_score(row['first_value'])} - {_score(row['second_value'])} = {_signed(row['difference'])}"
            if row["low"] is not None:
                line += f" ({_signed(row['low'])} to {_signed(row['high'])})"
            if row["first_only"] is not None:
                line += f" [only one correct: {row['first_only']} : {row['second_only']}]"
            line += f" p {p_text(row['p'], level)}"
            if corrected:
                line += f", Holm {p_text(row['p_holm'], level)}"
            print(f"  {title:34} {line}" + (f" ({row['note']})" if row["note"] else ""))
    for side in ("first", "second"):
        if comparison[f"only_{side}"]:
            print(f"\nonly in the {side}: {', '.join(comparison[f'only_{side}'])}")


@command(
    argument("results", type=Path, nargs="?", metavar="RESULTS", help="a folder of results (default: arithmetic only)"),
    argument("--confidence", type=float, default=0.95, help="coverage of the exact intervals (default 0.95)"),
    argument("--margin", type=float, default=0.01, help="largest difference that counts as equal (default 0.01)"),
    argument("--all", action="store_true", help="list every table cell and every part of a claim"),
    argument("--json", action="store_true", help="print everything as JSON"),
    examples="""claims    # what the figures of the paper imply
    claims results --all""",
)
def claims(args: Arguments) -> None:
    """Check the claims of the paper: by arithmetic on its figures, and with the runs of a results folder."""
    from ecgpipe.config.analysis import EvaluateConfig
    from ecgpipe.evaluate.claims import check_claims
    from ecgpipe.evaluate.evidence import Evidence, gather_evidence_from_folder
    from ecgpipe.paper import load_paper

    config = EvaluateConfig(confidence=args.confidence, margin=args.margin)
    paper, evidence = load_paper(), Evidence({})
    if args.results is not None:
        if not args.results.is_dir():
            raise DataError(f"{args.results}: no such folder of results")
        evidence = gather_evidence_from_folder(args.results, paper, config)
        if not evidence.comparisons:
            raise DataError(f"{args.results}: no file <dataset>/comparisons/<protocol>.json; run `snakemake all` first")
    checked = check_claims(paper, evidence, config)
    if args.json:
        print(json.dumps(checked, indent=1))
        return
    _print_arithmetic(checked["arithmetic"])
    _print_claims(checked, args.all)


def _print_arithmetic(tables: list[dict]) -> None:
    print("What the printed accuracies imply")
    for table in tables:
        sizes = ", ".join(map(str, table["sizes"])) or "none"
        print(f"\n{table['table']} ({table['dataset']}): possible test set sizes up to {table['limit']}: {sizes}")
        for model in table["models"]:
            fraction = f"{model['accuracy']:.4f} = {model['right']}/{table['records']}"
            print(f"  {model['model']:24} {fraction}  exact interval {model['low']:.4f} - {model['high']:.4f}")
        for lead in table["leads"]:
            limit = lead["significant_up_to"]
            meaning = (
                f"significant only if the two models differ on at most {limit} records"
                if limit is not None
                else f"never significant: McNemar's exact p is at least {lead['p_best']:.3g}"
            )
            print(f"  lead over {lead['second']:24} {lead['lead_records']:3} records; {meaning}")


def _print_claims(checked: dict, show_all: bool) -> None:
    print("\nClaims")
    for dataset, departures in checked["departures"].items():
        if departures:
            print(f"  {dataset}: differs from the recipe of the paper: {'; '.join(departures)}")
    for row in checked["claims"]:
        if row["kind"] != "claim" and not show_all:
            continue
        verdict = paint(row["verdict"].upper(), VERDICT_COLOURS.get(row["verdict"], "bold"), sys.stdout)
        print(f"\n  {row['id']} ({row['place']}): {verdict}")
        print(f"    {row['claim']}")
        if row["finding"] != row["verdict"]:
            print(f"    in these runs: {row['finding']}")
        if row["ours"] is not None:
            ci = f" ({row['low']:.4f} - {row['high']:.4f})" if row["low"] is not None else ""
            p_value = "" if row["p"] is None else f", p {row['p']:.3g}"
            print(f"    ours: {row['ours']:.4f}{ci}, {row['test']}{p_value}")
        if row["note"]:
            print(f"    {row['note']}")
    verdicts = [row["verdict"] for row in checked["claims"] if row["kind"] == "cell"]
    print()
    for verdict in VERDICT_COLOURS:
        print(f"  cells of tables 2 to 4, {verdict}: {verdicts.count(verdict)}")
    if not show_all:
        print("\n(--all lists every cell and every part of a claim)")


class NothingToCheck(EcgpipeError):
    """The folder has no file with a checksum, so damage can be neither found nor excluded."""

    exit_status = 2


@command(
    argument("folder", type=Path, metavar="RESULTS", help="the folder of results, or a part of it"),
    argument("--json", action="store_true", help="print JSON: whole, without_checksum, damaged"),
    examples="""check results
    check results/ptb-xl --json""",
)
def check(args: Arguments) -> None:
    """Verify the checksums of all result files, and list damaged and missing files."""
    from ecgpipe.artifacts.check import check_folder

    try:
        result = check_folder(args.folder)
    except DataError as error:
        raise NothingToCheck(str(error)) from error
    damaged = result.damaged
    if not result.whole and not damaged:
        raise NothingToCheck(f"{args.folder}: no file of ecgpipe with a checksum; give the folder of results")
    if args.json:
        rows = [{"file": str(e.file), "message": e.message, "delete": e.delete and str(e.delete)} for e in damaged]
        document = {"folder": str(args.folder), "whole": result.whole, "without_checksum": result.without}
        print(json.dumps(document | {"damaged": rows}, indent=1))
    else:
        for one in damaged:
            print(one.message)
    counts = f"files damaged or missing: {len(damaged)}; intact: {result.whole}; without a checksum: {result.without}"
    if damaged:
        raise EcgpipeError(f"{counts}. If no later step reads a deleted file, request it by name: snakemake FILE")
    if not args.json:
        print(counts)


@command(
    argument("results", type=Path, metavar="RESULTS", help="folder of results, with its report"),
    argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="folder for index.md, configuration.yaml, tables/ and figures/; only published files are replaced",
    ),
    examples="""publish results docs/results/mine
    publish results/demo demo-page    # a preview""",
)
def publish(args: Arguments) -> None:
    """Write the results of a finished run as a few small files for a repository: Markdown, CSV and SVG."""
    from ecgpipe.report.publish import publish

    files = publish(args.results, args.folder)
    size = sum(file.stat().st_size for file in files)
    print(f"{args.folder / 'index.md'}: {len(files)} files, {size / 1000:,.0f} kB")
