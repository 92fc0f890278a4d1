#!/bin/sh
# Prints the directive that sets the cookie with the chat's token. Usage: cookie.sh HUB [mercure-token]
# MERCURE_JWT_KEY contains the key.
set -eu
hub=$1
token=$("${2:-mercure-token}" --iss https://example.com --aud "$hub" --key "$MERCURE_JWT_KEY" --ttl 7d \
    --publish-urlpattern 'https://example.com/chat/:room' --subscribe-urlpattern 'https://example.com/chat/:room')
path=/${hub#*://*/}
echo "Header set Set-Cookie \"__Secure-mercure_access_token=$token; Path=$path; Secure; HttpOnly; SameSite=Strict\""
