#!/bin/sh
# ripgrep behind the decompressor: run_rg.sh USER SHARD...
user=$1
shift
case $1 in
*.gz) gzip -dc "$@" ;;
*) zstd -dcq "$@" ;;
esac | rg -c -F "$user"
