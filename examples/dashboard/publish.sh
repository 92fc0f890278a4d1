#!/bin/sh
# Publishes the load of this machine every second. Usage: publish.sh HUB [mercure-token [COUNT]]
# MERCURE_JWT_KEY contains the key.
set -eu
hub=$1
minter=${2:-mercure-token}
left=${3:--1}
# Every local user can read the arguments of a program, so key and token come over standard input: printf is no program.
token=$(printf %s "$MERCURE_JWT_KEY" | "$minter" --iss https://example.com --aud "$hub" --key @- --ttl 1d \
    --publish https://example.com/machine)
while [ "$left" != 0 ]; do
    read -r load rest </proc/loadavg
    memory=$(awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { free = $2 } END { printf "%.1f", 100 - 100 * free / total }' /proc/meminfo)
    processes=${rest#*/}
    curl -sS --fail -o /dev/null -H @- \
        --data-urlencode topic=https://example.com/machine \
        --data-urlencode "data={\"load\": $load, \"memory\": $memory, \"processes\": ${processes%% *}}" "$hub" <<END
Authorization: Bearer $token
END
    left=$((left - 1))
    if [ "$left" != 0 ]; then sleep 1; fi
done
