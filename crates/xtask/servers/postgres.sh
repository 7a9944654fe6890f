# Makes a PostgreSQL cluster and serves it until standard input ends, then removes its files. The pipe ends with the process that
# holds it, however that one dies, so no server and no file outlives a test run. Run by `sh -c`, as a user that PostgreSQL runs as.
bin=$1 files=$2
shift 2
# Ctrl-C goes to every process of a terminal; what counts here is the end of the input.
trap '' INT TERM HUP
exec 3<&0
if "$bin/initdb" --pgdata="$files/data" --username=postgres --pwfile="$files/password" --auth=scram-sha-256 \
    --encoding=UTF8 --no-locale --no-sync >"$files/initdb.log" 2>&1; then
    "$bin/postgres" -D "$files/data" "$@" 2>&1 3<&- &
    server=$!
    { cat <&3 >/dev/null; kill -QUIT "$server"; } &
    watch=$!
    wait "$server"
    kill -KILL "$watch" 2>/dev/null
else
    cat "$files/initdb.log"
fi
rm -rf "$files"
