"""DuckDB: find GLOB USER | lines GLOB USER | count GLOB FILE_OF_USERS | export GLOB USER OUT
| export-crowd GLOB FILE_OF_USERS OUT | erase SHARD USER OUT | start"""

import sys

import duckdb

match sys.argv[1:]:
    case ["find", glob, user]:
        query = f"SELECT count(*) FROM read_parquet('{glob}', hive_partitioning = false) WHERE UserId = '{user}'"
        print(duckdb.execute(query).fetchone()[0])
    case ["lines", glob, user]:
        # With the one column that is asked for, named and typed: much faster than what it finds out for itself.
        query = f"""SELECT count(*) FROM read_json('{glob}', format = 'newline_delimited', columns = {{UserId: 'VARCHAR'}},
                    hive_partitioning = false) WHERE UserId = '{user}'"""
        print(duckdb.execute(query).fetchone()[0])
    case ["count", glob, users]:
        query = f"""SELECT count(*) FROM read_parquet('{glob}', hive_partitioning = false)
                    WHERE UserId IN (SELECT column0 FROM read_csv('{users}', header = false, all_varchar = true))"""
        print(duckdb.execute(query).fetchone()[0])
    case ["export", glob, user, out]:
        duckdb.execute(
            f"""COPY (SELECT * FROM read_parquet('{glob}', hive_partitioning = false) WHERE UserId = '{user}')
                TO '{out}' (FORMAT json, ARRAY true)"""
        )
    case ["export-crowd", glob, users, out]:
        duckdb.execute(
            f"""COPY (SELECT * FROM read_parquet('{glob}', hive_partitioning = false)
                WHERE UserId IN (SELECT column0 FROM read_csv('{users}', header = false, all_varchar = true)))
                TO '{out}' (FORMAT json, ARRAY true)"""
        )
    case ["erase", shard, user, out]:
        # Not `<>`: that would lose the rows without a user.
        duckdb.execute(
            f"""COPY (SELECT * FROM read_parquet('{shard}', hive_partitioning = false) WHERE UserId IS DISTINCT FROM '{user}')
                TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 131072)"""
        )
    case ["start"]:
        duckdb.execute("SELECT 1")
    case _:
        sys.exit(__doc__)
