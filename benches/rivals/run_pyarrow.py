"""PyArrow: export DIR USER OUT | erase SHARD USER OUT | count DIR FILE_OF_USERS | start"""

import json
import sys

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

match sys.argv[1:]:
    case ["export", folder, user, out]:
        rows = ds.dataset(folder, format="parquet").to_table(filter=pc.field("UserId") == user).to_pylist()
        with open(out, "w") as file:
            json.dump(rows, file, default=str)
    case ["erase", shard, user, out]:
        # Not `!=` alone: that would lose the rows without a user.
        keep = (pc.field("UserId") != user) | pc.field("UserId").is_null()
        table = pq.read_table(shard, filters=keep, partitioning=None)
        pq.write_table(table, out, compression="zstd", compression_level=1, row_group_size=131072)
    case ["count", folder, users]:
        wanted = open(users).read().split()
        print(ds.dataset(folder, format="parquet").count_rows(filter=pc.field("UserId").isin(wanted)))
    case ["start"]:
        pc.sum([1])
    case _:
        sys.exit(__doc__)
