"""Files that are links into DVC's cache, where its cache.type asks for links.

Every step writes beside a file and then moves it over: a link is replaced, and what it led to stays. Snakemake writes
the times of a job into the file that is there, which would be DVC's own copy.
"""

import os
import shutil
from pathlib import Path

from asyncthink.files import replacing

TIMES = Path("results/times")


def part_times(folder: Path = TIMES) -> None:
    """Give each file of times that is a link a content of its own; when it was written stays.

    A link whose content has gone from the cache goes too.
    """
    for path in folder.rglob("*.tsv"):
        if not path.exists():
            path.unlink()
        elif path.is_symlink() or path.stat().st_nlink > 1:
            about = path.stat()
            with replacing(path) as own:
                shutil.copyfile(path, own)
                os.utime(own, ns=(about.st_atime_ns, about.st_mtime_ns))
