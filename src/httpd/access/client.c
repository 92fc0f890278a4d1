#include "httpd/access/client.h"

#include <arpa/inet.h>

#include "apr_strings.h"
#include "http_protocol.h"

/* Browsers send at least one of these. */
static const char *const of_browsers[] = {"Accept-Language", "Sec-Fetch-Mode", "Sec-Fetch-Site",
                                          "Sec-Fetch-Dest"};

#define IPV4_BYTES    4
#define IPV6_BYTES    16
#define NETWORK_BYTES 8

/* The bytes before the IPv4 address in an IPv6 address that contains one. */
#define PREFIX_BYTES (IPV6_BYTES - IPV4_BYTES)

static const unsigned char prefixes[][PREFIX_BYTES] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
    {0, 0x64, 0xff, 0x9b},
};

/* The part of the IPv6 ADDRESS that names the client; RET_LEN gets its length in bytes. */
static const unsigned char *find_name(const unsigned char address[IPV6_BYTES], size_t *ret_len)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (!memcmp(address, prefixes[i], PREFIX_BYTES)) {
            *ret_len = IPV4_BYTES;
            return address + PREFIX_BYTES;
        }
    }
    *ret_len = NETWORK_BYTES;
    return address;
}

struct mrc_bytes mrc_client_name(request_rec *r)
{
    /* APR writes % and the interface after a link-local address. */
    const char *text = apr_pstrmemdup(r->pool, r->useragent_ip, strcspn(r->useragent_ip, "%"));
    unsigned char address[IPV6_BYTES];
    const unsigned char *name = address;
    size_t len = IPV4_BYTES;

    if (inet_pton(AF_INET6, text, address) == 1)
        name = find_name(address, &len);
    else if (inet_pton(AF_INET, text, address) != 1)
        return mrc_bytes_of(r->useragent_ip); /* another module has set a different text */
    return (struct mrc_bytes){apr_pmemdup(r->pool, name, len), len};
}

bool mrc_client_parse(const char *text, unsigned char ret_address[MRC_CLIENT_ADDRESS_BYTES])
{
    unsigned char address[MRC_CLIENT_ADDRESS_BYTES];

    if (inet_pton(AF_INET6, text, address) != 1) {
        if (inet_pton(AF_INET, text, address + PREFIX_BYTES) != 1)
            return false;
        memcpy(address, prefixes[0], PREFIX_BYTES);
    }
    memcpy(ret_address, address, sizeof(address));
    return true;
}

const unsigned char *mrc_client_address(request_rec *r)
{
    const char *text = apr_pstrmemdup(r->pool, r->useragent_ip, strcspn(r->useragent_ip, "%"));
    unsigned char *address = apr_palloc(r->pool, MRC_CLIENT_ADDRESS_BYTES);

    return mrc_client_parse(text, address) ? address : NULL;
}

bool mrc_client_is_event_source(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");
    const char *cache_control = apr_table_get(r->headers_in, "Cache-Control");

    if (r->method_number != M_GET || !accept || ap_cstr_casecmp(accept, "text/event-stream") ||
        !cache_control || !ap_find_token(r->pool, cache_control, "no-cache") ||
        apr_table_get(r->headers_in, "Authorization"))
        return false;
    for (size_t i = 0; i < sizeof(of_browsers) / sizeof(of_browsers[0]); i++) {
        if (apr_table_get(r->headers_in, of_browsers[i]))
            return true;
    }
    return false;
}
