"""The contract of a run: refused before the audit where the rows cannot meet it, and copied into the folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.atomic_write import write_with
from veridical.pipeline.job import Job

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.ledger.contract import Contract


def refuse_unfit_contract(job: Job, data: "Dataset") -> None:
    """A contract that names what these rows do not hold, or a target that cannot be read, is refused before the audit."""
    if job.config.contract:
        from veridical.audit._evidence import Evidence
        from veridical.ledger.contract import read_contract, refuse_absent
        from veridical.ledger.transfer import read_target

        contract = read_contract(Path(job.config.contract))
        refuse_absent(contract, data)
        if contract.target:
            read_target(contract, Evidence(data, seed=job.config.seed), seed=job.config.seed)


def kept_contract(job: Job) -> "Contract | None":
    """The contract, of which a copy is put into the folder."""
    from veridical.ledger.contract import read_contract

    if not job.config.contract:
        return None
    content = Path(job.config.contract).read_bytes()
    write_with(job.path / "contract.yaml", lambda path: path.write_bytes(content))
    return read_contract(Path(job.config.contract))
