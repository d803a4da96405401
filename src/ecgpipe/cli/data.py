"""Commands on datasets: download, simulate, labels, audit."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ecgpipe.cli.parser import Arguments, argument, command, positive, say

MOST_CLASSES = 20  # shown by audit


@command(
    argument("dataset", choices=("ptb-xl", "cardiac-images"), help="the dataset"),
    argument("folder", type=Path, metavar="DIR", help="folder to create"),
    argument("--version", default="1.0.3", choices=("1.0.1", "1.0.3"), help="release of PTB-XL (default 1.0.3)"),
    argument("--sampling-rate", type=int, default=100, choices=(100, 500), help="PTB-XL: Hz (default 100)"),
    argument(
        "--fetch", default="files", choices=("files", "archive"), help="PTB-XL: single files (default) or the archive"
    ),
    argument("--connections", type=positive, default=4, metavar="N", help="parallel downloads of files (default 4)"),
    argument("--url", help="download from this address of the archive or folder, http(s) or s3"),
    examples="""download ptb-xl data/ptb-xl --sampling-rate 100
    download cardiac-images data/ecg-images""",
)
def download(args: Arguments) -> None:
    """Download a dataset into a folder; run the same command again to resume an interrupted download."""
    from ecgpipe.acquire.download import download, download_ptbxl, needed_at_rate, unpack_zip, verify_checksums
    from ecgpipe.config.data import CardiacImagesConfig, PtbXlConfig
    from ecgpipe.errors import DataError

    folder = args.folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: already exists; name another folder, or remove it")

    def from_archive(url: str, wanted: Callable[[str], bool], has_checksums: bool) -> None:
        mark = hashlib.sha256(url.encode()).hexdigest()[:8]  # an archive from another address is not reused
        archive, staging = (folder.with_name(f".{folder.name}.{mark}.{end}") for end in ("zip", "unpacked"))
        if not archive.exists():
            download(url, archive)
        unpack_zip(archive, staging, wanted)
        if has_checksums:
            try:
                verify_checksums(staging, wanted)
            except DataError:
                archive.unlink()  # complete but wrong: the next call downloads it again
                raise
        staging.replace(folder)
        archive.unlink()

    if args.dataset == "cardiac-images":
        images = CardiacImagesConfig(**({"url": args.url} if args.url else {}))
        from_archive(images.url, lambda name: True, has_checksums=False)
        _say_files(args, folder)
        return
    config = PtbXlConfig(version=args.version, sampling_rate=args.sampling_rate, fetch=args.fetch, url=args.url)
    if config.fetch == "files":
        download_ptbxl(config.address, folder, config.sampling_rate, args.connections)
    else:
        from_archive(config.address, needed_at_rate(config.sampling_rate), has_checksums=True)
    _say_files(args, folder)


def _say_files(args: Arguments, folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    say(args, f"Wrote {len(files)} files, {size / 1e6:,.0f} MB, to {args.folder}")


@command(
    argument("folder", type=Path, metavar="DIR", help="folder to write"),
    argument("--records", type=int, required=True, metavar="N", help="number of records"),
    argument("--seed", type=int, required=True, metavar="S", help="seed of all records"),
    argument("--sampling-rate", type=int, choices=(100, 500), action="append", help="Hz; may be given twice"),
    argument("--difficulty", type=float, default=0.25, help="fraction of subtle findings, 0 to 1 (default 0.25)"),
    argument("--workers", type=int, default=1, help="processes (default 1)"),
    examples="""simulate data/simulated --records 200 --seed 1
    simulate data/both --records 20 --seed 1 --sampling-rate 100 --sampling-rate 500""",
)
def simulate(args: Arguments) -> None:
    """Write simulated records in the file layout of PTB-XL, with their ground truth."""
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.progress import progress_counter

    simulate_dataset(
        args.folder,
        records=args.records,
        seed=args.seed,
        sampling_rates=args.sampling_rate or (100,),
        difficulty=args.difficulty,
        workers=args.workers,
        progress=progress_counter("simulate"),
    )
    rates = " and ".join(f"{rate} Hz" for rate in sorted(set(args.sampling_rate or (100,))))
    say(args, f"Wrote {args.records} simulated records ({rates}) to {args.folder}; ground truth: truth.jsonl")


@command(
    argument(
        "folder", type=Path, metavar="DIR", help="folder or zip archive with ptbxl_database.csv and scp_statements.csv"
    ),
    argument("--policy", choices=("single", "primary", "multilabel"), default="single", help="default: single"),
    argument(
        "--grouping",
        default="superclass",
        metavar="G",
        help="superclass (default), subclass, diagnostic, form, rhythm, all, challenge-2024, or a CSV file (statement, "
        "class)",
    ),
    argument(
        "--plus",
        type=Path,
        metavar="DIR",
        help="challenge-2024: folder or zip archive of PTB-XL+, which separates acute from old infarctions",
    ),
    argument("--min-records", type=int, default=1, metavar="N", help="leave out classes with fewer records"),
    argument(
        "--min-likelihood", type=float, default=0, metavar="PERCENT", help="ignore statements of lower likelihood"
    ),
    argument(
        "--zero-likelihood",
        choices=("unknown", "absent"),
        default="unknown",
        help="meaning of likelihood 0 (default unknown)",
    ),
    argument("--dropped", type=Path, metavar="FILE.csv", help="write the dropped records, with reasons"),
    argument("--json", action="store_true", help="print JSON"),
    examples="""labels data/ptb-xl --policy single
    labels data/ptb-xl --policy multilabel --grouping subclass --min-records 50 --json""",
)
def labels(args: Arguments) -> None:
    """Count the labels of a PTB-XL copy; requires only its two tables, no signals."""
    import pandas as pd

    from ecgpipe.acquire.dataset_labels import label_dataset
    from ecgpipe.acquire.ptbxl import STATEMENTS, read_database
    from ecgpipe.artifacts.files import atomic_path
    from ecgpipe.artifacts.sources import open_source
    from ecgpipe.artifacts.tables import DROPPED
    from ecgpipe.config.data import CHALLENGE, LabelsConfig
    from ecgpipe.errors import ConfigError

    config = LabelsConfig(
        policy=args.policy,
        grouping=args.grouping,
        min_likelihood=args.min_likelihood,
        zero_likelihood=args.zero_likelihood,
        min_records=args.min_records,
    )
    if args.plus and config.grouping != CHALLENGE:
        raise ConfigError(f"--plus: only for --grouping {CHALLENGE}")
    database = read_database(args.folder)
    # the statements table of another release may be one level up
    table = next((f for f in (args.folder, args.folder.parent) if STATEMENTS in open_source(f)), args.folder)
    ids = [f"{ecg_id:05d}" for ecg_id in database.index]
    records = pd.DataFrame({"record_id": ids, "statements": database["scp_codes"].tolist()})
    counts = label_dataset(records, config, table, plus=args.plus).counts
    if args.dropped:
        with atomic_path(args.dropped) as partial:
            pd.DataFrame(counts.dropped_records, columns=DROPPED.schema.names).to_csv(partial, index=False)
        if not args.json:
            say(args, f"Wrote {len(counts.dropped_records)} dropped records to {args.dropped}")
    if args.json:
        summary = {"policy": args.policy, "grouping": args.grouping, "records": len(ids)}
        print(json.dumps(summary | counts.as_dict(), indent=1))
        return
    print(f"{len(ids)} records, policy {args.policy}, grouping {args.grouping}: {counts.kept} kept")
    width = max(map(len, counts.classes))
    for name, count in counts.classes.items():
        print(f"  {name:{width}} {count:6}")
    for name, count in counts.rare.items():
        print(f"class dropped, too few records: {name} ({count})")
    for reason, count in counts.dropped.items():
        print(f"records dropped, {reason}: {count}")


@command(
    argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="a copy of PTB-XL, folders of images (one per class), or .hea files; or a zip archive of one",
    ),
    argument("--sampling-rate", type=int, choices=(100, 500), help="Hz, for a copy of PTB-XL with both rates"),
    argument("--examples", type=int, default=5, metavar="N", help="examples of each kind (default 5)"),
    argument("--out", type=Path, metavar="FOLDER", help="write the tables to this folder"),
    argument("--json", action="store_true", help="print everything as JSON"),
    examples="""audit data/ptb-xl
    audit data/ptb-xl --json
    audit scans.zip --out audit    # tables of duplicates, pairs and anomalies""",
)
def audit(args: Arguments) -> None:
    """Find duplicates, anomalous and broken files, and label conflicts in a dataset."""
    import pandas as pd

    from ecgpipe.acquire.ptbxl import DATABASE, list_ptbxl_records
    from ecgpipe.artifacts.files import write_json
    from ecgpipe.artifacts.sources import open_source
    from ecgpipe.artifacts.tables import ANOMALIES, DUPLICATES, PAIRS, SKETCHES
    from ecgpipe.audit.duplicates import Sketches
    from ecgpipe.audit.sketch import list_folder, sketch_records
    from ecgpipe.audit.summary import audit
    from ecgpipe.progress import progress

    missing = []
    source = open_source(args.folder)
    if DATABASE in source:
        rate = args.sampling_rate or (500 if source.names("records500") else 100)
        records, missing = list_ptbxl_records(args.folder, rate, shard_size=1000)
    else:
        records = list_folder(args.folder)
    rows = list(progress(sketch_records(records, args.folder), "audit", len(records)))
    result = audit(records, Sketches([pd.DataFrame(rows, columns=SKETCHES.schema.names)]))
    summary = {"folder": str(args.folder), **result.summary, "missing": len(missing)}
    if args.out:
        DUPLICATES.write(result.duplicates, args.out / "duplicates.parquet")
        PAIRS.write(result.pairs, args.out / "pairs.parquet")
        ANOMALIES.write(result.anomalies, args.out / "anomalies.parquet")
        write_json(args.out / "audit.json", summary)
    if args.json:
        duplicates = result.duplicates[result.duplicates.duplicated("near", keep=False)]
        details = {
            "duplicates": [group["record_id"].tolist() for _, group in duplicates.groupby("near")],
            "pairs": result.pairs.to_dict("records"),
            "anomaly_list": result.anomalies.to_dict("records"),
        }
        print(json.dumps(summary | details, indent=1))
    else:
        _print_audit(summary, result.pairs, result.anomalies, args.examples)
        if args.out:
            say(args, f"\nWrote audit.json, duplicates.parquet, pairs.parquet and anomalies.parquet to {args.out}")


def _print_rest(count: int, shown: int, indent: str) -> None:
    if count > shown:
        print(f"{indent}... and {count - shown} more (all: --json)")


def _print_audit(summary: dict, pairs, anomalies, examples: int) -> None:
    print(f"{summary['folder']}: {summary['records']} {summary['kind']}, {summary['unreadable']} unreadable")
    if summary["missing"]:
        print(f"in the table or in the folder, but not in both: {summary['missing']}")
    print(f"distinct: {summary['distinct']}, or {summary['distinct_groups']} if near-identical ones count once")
    if summary["patients"] is not None:
        print(f"patients: {summary['patients']}, {summary['patients_with_several']} with more than one record")
    if summary["classes"]:
        print("\nclass or statement: records, distinct")
        for name, count in list(summary["classes"].items())[:MOST_CLASSES]:
            print(f"  {name:55} {count:6} {summary['distinct_by_class'].get(name, 0):6}")
        _print_rest(len(summary["classes"]), MOST_CLASSES, "  ")
    print(f"\nnear-identical pairs of different content: {summary['near_pairs']}")
    for pair in pairs.head(examples).itertuples():
        print(f"  {pair.similarity:.3f}  {pair.first}  {pair.second}")
    _print_rest(len(pairs), examples, "  ")
    print(f"\nduplicates with different labels: {len(summary['conflicts'])} groups")
    for conflict in summary["conflicts"][:examples]:
        print(f"  {', '.join(conflict['records'][:4])}: {' | '.join(conflict['statements'])}")
    _print_rest(len(summary["conflicts"]), examples, "  ")
    print("\nanomalies (records)")
    for kind, count in summary["anomalies"].items():
        print(f"  {kind}: {count}")
        for row in anomalies[anomalies["kind"] == kind].head(examples).itertuples():
            print(f"    {row.record_id}: {row.detail}")
        _print_rest(int((anomalies["kind"] == kind).sum()), examples, "    ")
    if not summary["anomalies"]:
        print("  none")
