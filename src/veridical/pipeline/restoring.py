"""`veridical restore`: the rows as they were loaded, from the run folder alone."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from veridical.core.atomic_write import refuse_other, write_with
from veridical.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".csv", ".jsonl", ".parquet")


def restore_run(run: Path, *, out: Path) -> tuple[int, str]:
    """Write the input of `run` to `out`; (number of rows, their fingerprint).

    Uses repaired.parquet and edits.parquet only. Raises InputError when the result is not the data that was loaded.
    """
    from veridical.core.run_record import read
    from veridical.dataset.fingerprint import fingerprint
    from veridical.dataset.storage import read as read_data
    from veridical.repair._edit_log import read_edits
    from veridical.repair._edits import restore

    if out.suffix not in FORMATS:
        raise InputError(f"--out {out} ends in {out.suffix or 'nothing'}; allowed: {', '.join(FORMATS)}.")
    record = read(run)
    if not (run / "edits.parquet").is_file():
        raise InputError(
            f"{run} repaired nothing (--no-repair), so there is nothing to restore: its input is unchanged. "
            "To repair, run again without --no-repair."
        )
    edits = read_edits(run / "edits.parquet")
    if not (run / "repaired.parquet").is_file():
        raise InputError(f"{run} holds no repaired.parquet: the run was made with --no-text. Run again without it.")
    rebuilt = restore(read_data(run / "repaired.parquet"), edits)
    found = fingerprint(rebuilt.table)
    if found != record.fingerprints["data"]:
        raise InputError(f"The restored rows have fingerprint {found[:12]}, those loaded had {record.fingerprints['data'][:12]}.")
    empty = [name for name in rebuilt.table.column_names if rebuilt.table.column(name).null_count == len(rebuilt)]
    table = rebuilt.table.drop_columns(empty)
    with TemporaryDirectory(prefix="veridical-") as folder:
        again = Path(folder) / "restored"
        _write(table, again, kind=out.suffix)
        refuse_other(out, made="these rows, restored", ours=lambda path: path.read_bytes() == again.read_bytes())
    write_with(out, lambda path: _write(table, path, kind=out.suffix))
    return len(rebuilt), found


def _write(table: "pa.Table", path: Path, *, kind: str) -> None:
    import json

    import pyarrow.parquet as pq

    if kind == ".parquet":
        pq.write_table(table, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
        else:
            rows = csv.DictWriter(file, table.column_names)
            rows.writeheader()
            rows.writerows(table.to_pylist())
