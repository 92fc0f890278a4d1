#include "httpd/exchange/priority_field.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* A member without its parameters, which follow after a semicolon, and without spaces around it. */
static size_t trim(const char **member, size_t len)
{
    const char *parameters;

    while (len > 0 && is_space(**member)) {
        ++*member;
        len--;
    }
    parameters = memchr(*member, ';', len);
    if (parameters)
        len = (size_t)(parameters - *member);
    while (len > 0 && is_space((*member)[len - 1]))
        len--;
    return len;
}

static bool is(const char *member, size_t len, const char *text)
{
    return len == strlen(text) && !memcmp(member, text, len);
}

static void take_member(const char *member, size_t len, struct mrc_priority *priority)
{
    len = trim(&member, len);
    if (len == 3 && !memcmp(member, "u=", 2) && member[2] >= '0' &&
        member[2] <= '0' + MRC_PRIORITY_URGENCY_LEAST)
        priority->urgency = (unsigned)(member[2] - '0');
    else if (is(member, len, "i") || is(member, len, "i=?1"))
        priority->is_incremental = true;
    else if (is(member, len, "i=?0"))
        priority->is_incremental = false;
}

void mrc_priority_field_parse(const char *field, size_t len, struct mrc_priority *ret_priority)
{
    while (len > 0) {
        const char *comma = memchr(field, ',', len);
        size_t member_len = comma ? (size_t)(comma - field) : len;

        take_member(field, member_len, ret_priority);
        member_len += comma != NULL;
        field += member_len;
        len -= member_len;
    }
}
