"""`veridical audit`: load and look, in a folder of its own."""

from dataclasses import replace
from pathlib import Path

from veridical.core.finding import AuditRecord
from veridical.core.progress import Progress, silent
from veridical.core.surroundings import threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.config import RunConfig
from veridical.pipeline.identity import identity_of
from veridical.pipeline.loading import load_as_configured, use_engine
from veridical.pipeline.run_folder import claim


def audit_file(
    source: Path,
    *,
    config: RunConfig,
    only: tuple[str, ...] = (),
    out: Path | None = None,
    fresh: bool = False,
    progress: Progress = silent,
) -> tuple[Path, AuditRecord, tuple[str, ...]]:
    """The folder, the outcome of all checks (or `only` some) on the rows as they stand, and what was noted as they were loaded; a
    lone file is all train."""
    whole = identity_of("audit", source, config)
    whole["config"]["only"] = list(only)
    with claim(out, whole, threads=threads(), fresh=fresh) as folder:
        use_threads(folder.machine["threads"])
        use_engine(config)
        if not folder.finished:
            from veridical.audit._evidence import Evidence
            from veridical.audit._runner import run_checks

            # "folds" draws no test set: a lone file is looked at as it is.
            data = load_as_configured(source, replace(config, split="folds"), progress)
            evidence = Evidence(data, seed=config.seed, progress=progress)
            audit = run_checks(evidence, only=only or None, seed=config.seed, progress=progress)
            records.write_audit(folder.path, audit)
            if not config.no_text:
                records.write_shown_rows(folder.path, data=data, audit=audit)
            folder.mark("finished", {"warnings": list(data.warnings)})
        return folder.path, records.read_audit(folder.path), tuple(folder.marked("finished")["warnings"])
