#!/bin/sh
# Prints the directive that gives the chat's pages their token: cookie.sh HUB [mercure-token]
# The key is in MERCURE_JWT_KEY.
set -eu
hub=$1
token=$("${2:-mercure-token}" --iss https://example.com --aud "$hub" --key "$MERCURE_JWT_KEY" --ttl 7d \
    --publish-urlpattern 'https://example.com/chat/:room' --subscribe-urlpattern 'https://example.com/chat/:room')
path=/${hub#*://*/}
echo "Header set Set-Cookie \"__Secure-mercure_access_token=$token; Path=$path; Secure; HttpOnly; SameSite=Strict\""
