"""Polars: export GLOB USER OUT | erase SHARD USER OUT | count GLOB FILE_OF_USERS | start"""

import sys

import polars as pl

match sys.argv[1:]:
    case ["export", glob, user, out]:
        pl.scan_parquet(glob, hive_partitioning=False).filter(pl.col("UserId") == user).collect().write_ndjson(out)
    case ["erase", shard, user, out]:
        # Not `!=`: that would lose the rows without a user.
        pl.scan_parquet(shard, hive_partitioning=False).filter(pl.col("UserId").ne_missing(user)).sink_parquet(
            out, compression="zstd", compression_level=1, row_group_size=131072
        )
    case ["count", glob, users]:
        wanted = open(users).read().split()
        found = pl.scan_parquet(glob, hive_partitioning=False).filter(pl.col("UserId").is_in(wanted)).select(pl.len())
        print(found.collect().item())
    case ["start"]:
        pl.select(1)
    case _:
        sys.exit(__doc__)
