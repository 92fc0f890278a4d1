#!/bin/sh
# Publishes orders as <turbo-stream> elements. Usage: publish.sh HUB [mercure-token [COUNT [SECONDS]]]
# Three orders are open at a time. SECONDS is the pause after each step (1). MERCURE_JWT_KEY contains the key.
set -eu
hub=$1
count=${3:-20}
pause=${4:-1}
# Every local user can read the arguments of a program, so key and token come over standard input: printf is no program.
token=$(printf %s "$MERCURE_JWT_KEY" | "${2:-mercure-token}" --iss https://example.com --aud "$hub" --key @- --ttl 1d \
    --publish https://example.com/orders)

stream() { # ACTION TARGET [HTML]
    curl -sS --fail -o /dev/null -H @- --data-urlencode topic=https://example.com/orders \
        --data-urlencode "data=<turbo-stream action=\"$1\" target=\"$2\"><template>${3-}</template></turbo-stream>" "$hub" <<END
Authorization: Bearer $token
END
}

number=0
while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    stream append orders "<li id=\"order-$number\">Order $number <span>in the kitchen</span></li>"
    stream update taken "$number"
    sleep "$pause"
    stream replace "order-$number" "<li id=\"order-$number\">Order $number <span class=\"ready\">ready</span></li>"
    stream remove "order-$((number - 3))"
    sleep "$pause"
done
