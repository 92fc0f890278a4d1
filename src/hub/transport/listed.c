#include "hub/transport/listed.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/percent.h"
#include "core/protocol/update.h"
#include "store/regions/roster.h"

static const char *const type_names[] = {
    [MRC_MATCHER_EXACT] = "exact",
    [MRC_MATCHER_URLPATTERN] = "urlpattern",
    [MRC_MATCHER_TEMPLATE] = "template",
};

#define TYPES (sizeof(type_names) / sizeof(type_names[0]))

/* ---- writing ----------------------------------------------------------------------------------*/

static void add_matcher(struct mrc_buf *buf, unsigned type, struct mrc_bytes match)
{
    mrc_buf_add_str(buf, type_names[type]);
    mrc_buf_add_char(buf, '/');
    mrc_percent_encode(buf, match, MRC_PERCENT_EXPANSION);
    mrc_buf_add_char(buf, '/');
}

void mrc_listed_add(struct mrc_buf *buf, const struct mrc_roster_entry *entry)
{
    char id[MRC_UPDATE_ID_BYTES];

    mrc_update_id_make(entry->subscriber, id);
    add_matcher(buf, entry->type, entry->match);
    mrc_buf_add_str(buf, id);
    mrc_buf_add_char(buf, '\0');
    mrc_buf_add_char(buf, entry->payload.ptr ? 'p' : '-');
    mrc_buf_add_bytes(buf, entry->payload);
}

void mrc_listed_add_prefix(struct mrc_buf *buf, enum mrc_matcher_type type, struct mrc_bytes match,
                           struct mrc_bytes subscriber)
{
    add_matcher(buf, type, match);
    if (subscriber.len == 0)
        return;
    mrc_buf_add_bytes(buf, subscriber);
    mrc_buf_add_char(buf, '\0');
}

/* ---- reading ----------------------------------------------------------------------------------*/

/* Takes what is before the next C. */
static bool take_until(struct mrc_bytes *rest, char c, struct mrc_bytes *ret_bytes)
{
    const char *end = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;

    if (!end)
        return false;
    *ret_bytes = (struct mrc_bytes){rest->ptr, (size_t)(end - rest->ptr)};
    rest->len -= ret_bytes->len + 1;
    rest->ptr = end + 1;
    return true;
}

static bool parse_type(struct mrc_bytes name, unsigned *ret_type)
{
    for (unsigned i = 0; i < TYPES; i++) {
        if (mrc_bytes_eq_str(name, type_names[i])) {
            *ret_type = i;
            return true;
        }
    }
    return false;
}

enum mrc_err mrc_listed_parse(struct mrc_bytes member, struct mrc_roster_entry *entry)
{
    struct mrc_bytes rest = member, type, match, id;
    char *buf;

    if (!take_until(&rest, '/', &type) || !take_until(&rest, '/', &match) ||
        !take_until(&rest, '\0', &id) || rest.len == 0 || (*rest.ptr != 'p' && *rest.ptr != '-') ||
        (*rest.ptr == '-' && rest.len > 1) || rest.len - 1 > MRC_ROSTER_PAYLOAD_MAX ||
        !parse_type(type, &entry->type) || !mrc_update_id_parse(id, entry->subscriber))
        return MRC_EINVAL;
    buf = realloc(entry->buf, match.len + rest.len);
    if (!buf)
        return MRC_ENOMEM;
    entry->buf = buf;
    entry->cap = match.len + rest.len;
    entry->match = (struct mrc_bytes){buf, mrc_percent_decode(match, false, buf)};
    entry->payload = (struct mrc_bytes){NULL, 0};
    if (*rest.ptr == 'p') {
        memcpy(buf + match.len, rest.ptr + 1, rest.len - 1);
        entry->payload = (struct mrc_bytes){buf + match.len, rest.len - 1};
    }
    return entry->match.len <= MRC_ROSTER_MATCH_MAX ? MRC_OK : MRC_EINVAL;
}
