#!/bin/sh
# Prints the directive that sets the cookie with the chat's token. Usage: cookie.sh HUB [mercure-token]
# MERCURE_JWT_KEY contains the key.
set -eu
hub=$1
# Every local user can read the arguments of a program, so the key comes over standard input: printf is no program.
token=$(printf %s "$MERCURE_JWT_KEY" | "${2:-mercure-token}" --iss https://example.com --aud "$hub" --key @- --ttl 7d \
    --publish-urlpattern 'https://example.com/chat/:room' --subscribe-urlpattern 'https://example.com/chat/:room')
path=/${hub#*://*/}
echo "Header set Set-Cookie \"__Secure-mercure_access_token=$token; Path=$path; Secure; HttpOnly; SameSite=Strict\""
