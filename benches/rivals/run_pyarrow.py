"""PyArrow: find DIR USER | count DIR FILE_OF_USERS | export DIR USER OUT | export-crowd DIR FILE_OF_USERS OUT
| erase SHARD USER OUT | forget SHARD USER OUT | start"""

import json
import sys

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq


def count(folder, wanted):
    print(ds.dataset(folder, format="parquet").count_rows(filter=wanted))


def export(folder, wanted, out):
    rows = ds.dataset(folder, format="parquet").to_table(filter=wanted).to_pylist()
    with open(out, "w") as file:
        json.dump(rows, file, default=str)


match sys.argv[1:]:
    case ["find", folder, user]:
        count(folder, pc.field("UserId") == user)
    case ["count", folder, users]:
        count(folder, pc.field("UserId").isin(open(users).read().split()))
    case ["export", folder, user, out]:
        export(folder, pc.field("UserId") == user, out)
    case ["export-crowd", folder, users, out]:
        export(folder, pc.field("UserId").isin(open(users).read().split()), out)
    case ["erase", shard, user, out]:
        # Not `!=` alone: that would lose the rows without a user.
        keep = (pc.field("UserId") != user) | pc.field("UserId").is_null()
        table = pq.read_table(shard, filters=keep, partitioning=None)
        pq.write_table(table, out, compression="zstd", compression_level=1, row_group_size=131072)
    case ["forget", shard, user, out]:
        # As amazon-s3-find-and-forget goes about it: row group by row group, and in Python row by row.
        shard = pq.ParquetFile(shard)
        wanted = {user}
        with pq.ParquetWriter(out, shard.schema_arrow, compression="zstd", compression_level=1) as writer:
            for group in range(shard.num_row_groups):
                table = shard.read_row_group(group)
                keep = [value not in wanted for value in table.column("UserId").to_pylist()]
                writer.write_table(table.filter(keep))
    case ["start"]:
        pc.sum([1])
    case _:
        sys.exit(__doc__)
