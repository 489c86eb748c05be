"""The conversion in a process of its own: every GGUF file, and what lies beside them so that people can run them."""

from __future__ import annotations

import shutil

from fc_assets.edge.conversion import ggml
from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.readme_and_modelfile import modelfile, readme
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.jobs import ConvertJob, ConvertResult
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.names import GGUF_README, MODELFILE, TOKENIZER_FOLDER, gguf_file

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def work(job: ConvertJob, log: Log) -> ConvertResult:
    """Do the job. Raises `FcAssetsError` when the checkpoint cannot be written as GGUF."""
    checkpoint = read_checkpoint(job.checkpoint)
    files = []
    for kind in job.kinds:
        file = write_gguf(checkpoint, job.out / gguf_file(kind), kind, name=job.name, source_digest=job.source_digest)
        log.info(f"{file.file}: {file.bytes / 1e6:.1f} MB, {file.bits_per_weight:.2f} bits per weight")
        files.append(file)
    tokenizer = job.out / TOKENIZER_FOLDER
    tokenizer.mkdir()
    for name in _TOKENIZER_FILES:
        if (job.checkpoint / name).is_file():
            shutil.copyfile(job.checkpoint / name, tokenizer / name)
    (job.out / MODELFILE).write_text(modelfile(files, job.context), encoding="utf-8")
    (job.out / GGUF_README).write_text(
        readme(files, name=job.name, source_digest=job.source_digest, context=job.context), encoding="utf-8"
    )
    return ConvertResult(files=files, ggml=ggml.build())


if __name__ == "__main__":
    run_job(ConvertJob, work)
