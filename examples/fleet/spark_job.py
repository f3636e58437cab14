#!/usr/bin/env python3
"""The same with PySpark: one task a file, the records as Parquet.

usage: spark-submit spark_job.py FOLDER OUT        every worker needs pstkit and the folder
"""

import json
import subprocess
import sys
from pathlib import Path

from pyspark.sql import Row, SparkSession


def items(path: str):
    """The records of one file, or one record that says why there are none."""
    try:
        done = subprocess.run(["pstkit", "items", "--jsonl", path], capture_output=True, timeout=1800, check=False)
    except subprocess.TimeoutExpired:
        yield Row(file=path, exit=124, nid=None, folder=None, subject=None, content_sha256=None, state=None, record=None)
        return
    lines = done.stdout.decode().splitlines()
    for line in lines:
        one = json.loads(line)
        values = {name: one[name] for name in ("nid", "folder", "subject", "content_sha256", "state")}
        yield Row(file=path, exit=done.returncode, record=line, **values)
    if not lines:
        yield Row(file=path, exit=done.returncode, nid=None, folder=None, subject=None, content_sha256=None, state=None, record=None)


def main():
    folder, out = sys.argv[1:3]
    files = sorted(str(p) for p in Path(folder).rglob("*") if p.suffix.lower() in (".pst", ".ost", ".nst"))
    spark = SparkSession.builder.appName("pstkit").getOrCreate()
    schema = "file string, exit int, nid long, folder string, subject string, content_sha256 string, state string, record string"
    rows = spark.sparkContext.parallelize(files, max(1, len(files))).flatMap(items)
    rows = rows.map(lambda r: (r.file, r.exit, r.nid, r.folder, r.subject, r.content_sha256, r.state, r.record))
    spark.createDataFrame(rows, schema).write.mode("overwrite").parquet(out)


if __name__ == "__main__":
    main()
