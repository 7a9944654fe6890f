#!/bin/sh
# jq, on as many shards at a time as there are threads: run_jq.sh THREADS USER SHARD...
threads=$1 user=$2
shift 2
export user
printf '%s\n' "$@" | xargs -P "$threads" -n 1 sh -c '
    case $0 in
    *.gz) gzip -dc "$0" ;;
    *) zstd -dcq "$0" ;;
    esac | jq -c --arg user "$user" "select(.UserId == \$user)"' | wc -l
