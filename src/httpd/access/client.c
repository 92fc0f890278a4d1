#include "httpd/access/client.h"

#include <arpa/inet.h>

#include "apr_strings.h"

#define IPV4_BYTES    4
#define IPV6_BYTES    16
#define NETWORK_BYTES 8

/* What comes before the IPv4 address that an IPv6 address stands for. */
#define PREFIX_BYTES (IPV6_BYTES - IPV4_BYTES)

static const unsigned char prefixes[][PREFIX_BYTES] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
    {0, 0x64, 0xff, 0x9b},
};

/* Where in the IPv6 ADDRESS its client is named, and in how many bytes. */
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
    /* APR writes the interface behind the address of a link. */
    const char *text = apr_pstrmemdup(r->pool, r->useragent_ip, strcspn(r->useragent_ip, "%"));
    unsigned char address[IPV6_BYTES];
    const unsigned char *name = address;
    size_t len = IPV4_BYTES;

    if (inet_pton(AF_INET6, text, address) == 1)
        name = find_name(address, &len);
    else if (inet_pton(AF_INET, text, address) != 1)
        return mrc_bytes_of(r->useragent_ip); /* a module has its own idea of an address */
    return (struct mrc_bytes){apr_pmemdup(r->pool, name, len), len};
}
