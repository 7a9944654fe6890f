"""Polars: find GLOB USER | count GLOB FILE_OF_USERS | export GLOB USER OUT | export-crowd GLOB FILE_OF_USERS OUT
| erase SHARD USER OUT | start"""

import sys

import polars as pl


def scan(glob):
    return pl.scan_parquet(glob, hive_partitioning=False)


match sys.argv[1:]:
    case ["find", glob, user]:
        print(scan(glob).filter(pl.col("UserId") == user).select(pl.len()).collect().item())
    case ["count", glob, users]:
        wanted = open(users).read().split()
        print(scan(glob).filter(pl.col("UserId").is_in(wanted)).select(pl.len()).collect().item())
    case ["export", glob, user, out]:
        scan(glob).filter(pl.col("UserId") == user).collect().write_ndjson(out)
    case ["export-crowd", glob, users, out]:
        wanted = open(users).read().split()
        scan(glob).filter(pl.col("UserId").is_in(wanted)).collect().write_ndjson(out)
    case ["erase", shard, user, out]:
        # Not `!=`: that would lose the rows without a user.
        scan(shard).filter(pl.col("UserId").ne_missing(user)).sink_parquet(
            out, compression="zstd", compression_level=1, row_group_size=131072
        )
    case ["start"]:
        pl.select(1)
    case _:
        sys.exit(__doc__)
