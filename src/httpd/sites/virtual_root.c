#include "httpd/sites/virtual_root.h"

#include <stdbool.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "core/base/buf.h"

#define ROOT_BYTES_MAX 4096

/* ---- the document root ------------------------------------------------------------------------*/

/* A part of a name, from AT on. */
struct span {
    const char *at;
    size_t len;
};

/* What %N, or %N.M, names: a number from the beginning (1, 2, …) or from the end (-1, -2, …), with
 * or without all that follow; 0: everything. */
struct selector {
    int number;
    bool and_more;
};

/* Reads a selector: [-]DIGIT[+]. */
static bool read_selector(const char **pattern, struct selector *ret_selector)
{
    bool is_negative = **pattern == '-';

    *pattern += is_negative;
    if (!apr_isdigit(**pattern))
        return false;
    ret_selector->number = (*(*pattern)++ - '0') * (is_negative ? -1 : 1);
    ret_selector->and_more = **pattern == '+';
    *pattern += ret_selector->and_more;
    return true;
}

/* The place, from 0 on, of SELECTOR among COUNT items; COUNT: there is no such item. */
static size_t place_of(const struct selector *selector, size_t count)
{
    size_t number = (size_t)(selector->number < 0 ? -selector->number : selector->number);

    if (number > count)
        return count;
    return selector->number < 0 ? count - number : number - 1;
}

/* The part of HOST, between dots, that SELECTOR names. Length 0: none. */
static struct span select_part(const char *host, const struct selector *selector)
{
    size_t count = 1, place;
    const char *at = host, *end;

    if (selector->number == 0)
        return (struct span){host, strlen(host)};
    for (const char *c = host; *c; c++)
        count += *c == '.';
    place = place_of(selector, count);
    if (place == count)
        return (struct span){host, 0};
    for (size_t i = 0; i < place; i++)
        at = strchr(at, '.') + 1;
    end = at + strcspn(at, ".");
    if (selector->and_more && selector->number > 0)
        end = at + strlen(at);
    if (selector->and_more && selector->number < 0)
        at = host;
    return (struct span){at, (size_t)(end - at)};
}

/* The characters of PART that SELECTOR names. */
static struct span select_characters(struct span part, const struct selector *selector)
{
    size_t place;

    if (selector->number == 0)
        return part;
    place = place_of(selector, part.len);
    if (place == part.len)
        return (struct span){part.at, 0};
    if (!selector->and_more)
        return (struct span){part.at + place, 1};
    return selector->number > 0 ? (struct span){part.at + place, part.len - place}
                                : (struct span){part.at, place + 1};
}

/* Adds what PATTERN names after a percent sign. Returns what follows; NULL: it is wrong. */
static const char *add_named(struct mrc_buf *root, const char *pattern, const char *host,
                             unsigned port)
{
    struct selector part, characters = {0, false};
    struct span named;
    char digits[12];

    if (*pattern == '%') {
        mrc_buf_add_char(root, '%');
        return pattern + 1;
    }
    if (*pattern == 'p') {
        apr_snprintf(digits, sizeof(digits), "%u", port);
        mrc_buf_add_str(root, digits);
        return pattern + 1;
    }
    if (!read_selector(&pattern, &part))
        return NULL;
    if (*pattern == '.') {
        pattern++;
        if (!read_selector(&pattern, &characters))
            return NULL;
    }
    named = select_characters(select_part(host, &part), &characters);
    if (named.len)
        mrc_buf_add(root, named.at, named.len);
    else
        mrc_buf_add_char(root, '_');
    return pattern;
}

apr_status_t mrc_virtual_root_expand(apr_pool_t *pool, const char *pattern, const char *host,
                                     unsigned port, const char **ret_root)
{
    apr_status_t status = APR_EINVAL;
    struct mrc_buf root;

    mrc_buf_init(&root, ROOT_BYTES_MAX);
    while (pattern && *pattern) {
        size_t plain = strcspn(pattern, "%");

        mrc_buf_add(&root, pattern, plain);
        pattern += plain;
        if (*pattern)
            pattern = add_named(&root, pattern + 1, host, port);
    }
    if (mrc_buf_error(&root) == MRC_ENOMEM) {
        status = APR_ENOMEM;
    } else if (pattern && !mrc_buf_error(&root)) {
        struct mrc_bytes bytes = mrc_buf_bytes(&root);

        while (bytes.len > 1 && bytes.ptr[bytes.len - 1] == '/')
            bytes.len--;
        *ret_root = apr_pstrmemdup(pool, bytes.ptr, bytes.len);
        status = APR_SUCCESS;
    }
    mrc_buf_free(&root);
    return status;
}
