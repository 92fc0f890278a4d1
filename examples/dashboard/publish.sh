#!/bin/sh
# Publishes the load of this machine every second. Usage: publish.sh HUB [mercure-token [COUNT]]
# MERCURE_JWT_KEY contains the key.
set -eu
hub=$1
minter=${2:-mercure-token}
left=${3:--1}
token=$("$minter" --iss https://example.com --aud "$hub" --key "$MERCURE_JWT_KEY" --ttl 1d \
    --publish https://example.com/machine)
while [ "$left" != 0 ]; do
    read -r load rest </proc/loadavg
    memory=$(awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { free = $2 } END { printf "%.1f", 100 - 100 * free / total }' /proc/meminfo)
    processes=${rest#*/}
    curl -sS --fail -o /dev/null -H "Authorization: Bearer $token" \
        --data-urlencode topic=https://example.com/machine \
        --data-urlencode "data={\"load\": $load, \"memory\": $memory, \"processes\": ${processes%% *}}" "$hub"
    left=$((left - 1))
    if [ "$left" != 0 ]; then sleep 1; fi
done
