#include "core/protocol/subscription_doc.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/percent.h"

#define VARIABLES_MAX 3

/*
 * The member `active`. Members before it are strings, in which every quote has a backslash: none
 * has these bytes.
 */
#define ACTIVE ",\"active\":true"
#define ENDED  ",\"active\":false"

/* The @context of documents of protocol 0.x. */
#define LEGACY_CONTEXT "https://mercure.rocks/"

bool mrc_subscription_doc_parse(struct mrc_bytes rest, bool is_legacy, char *scratch,
                                struct mrc_subscription_ref *ret_ref)
{
    static const char name[] = "/subscriptions";
    struct mrc_bytes variable[VARIABLES_MAX] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    unsigned first = is_legacy ? 1 : 0, count = first; /* protocol 0.x has no match_type */

    if (!mrc_bytes_starts_with(rest, mrc_bytes_of(name)))
        return false;
    rest.ptr += sizeof(name) - 1;
    rest.len -= sizeof(name) - 1;
    while (rest.len > 0) {
        struct mrc_bytes segment = {rest.ptr + 1, 0};

        if (rest.ptr[0] != '/' || count == VARIABLES_MAX)
            return false;
        while (segment.len + 1 < rest.len && segment.ptr[segment.len] != '/')
            segment.len++;
        variable[count].ptr = scratch;
        variable[count].len = mrc_percent_decode(segment, false, scratch);
        scratch += variable[count].len;
        count++;
        rest.ptr += 1 + segment.len;
        rest.len -= 1 + segment.len;
    }
    if (count == 1 && !is_legacy)
        return false;
    *ret_ref = (struct mrc_subscription_ref){
        .is_legacy = is_legacy,
        .variables = count > first ? count : 0,
        .match_type = variable[0],
        .match = variable[1],
        .subscriber = variable[2],
    };
    return true;
}

void mrc_subscription_doc_add_url(struct mrc_buf *buf, const char *hub_path,
                                  const struct mrc_subscription_ref *ref)
{
    const struct mrc_bytes variable[VARIABLES_MAX] = {ref->match_type, ref->match, ref->subscriber};

    mrc_buf_add_str(buf, hub_path);
    mrc_buf_add_str(buf, "/subscriptions");
    for (unsigned i = ref->is_legacy ? 1 : 0; i < ref->variables; i++) {
        mrc_buf_add_char(buf, '/');
        mrc_percent_encode(buf, variable[i], MRC_PERCENT_EXPANSION);
    }
}

/* Appends the URL as a JSON string, because the path of the hub may need escapes. */
static void add_id(struct mrc_buf *buf, const char *hub_path,
                   const struct mrc_subscription_ref *ref, bool context)
{
    struct mrc_buf url;

    mrc_buf_init(&url, buf->max);
    mrc_subscription_doc_add_url(&url, hub_path, ref);
    if (mrc_buf_error(&url) && !buf->err)
        buf->err = mrc_buf_error(&url);
    mrc_buf_add_str(buf, context ? "{\"@context\":\"" LEGACY_CONTEXT "\",\"id\":" : "{\"id\":");
    mrc_json_add_string(buf, mrc_buf_bytes(&url));
    mrc_buf_free(&url);
}

static void add_member(struct mrc_buf *buf, const char *name, struct mrc_bytes value)
{
    mrc_buf_printf(buf, ",\"%s\":", name);
    mrc_json_add_string(buf, value);
}

void mrc_subscription_doc_add(struct mrc_buf *buf, const char *hub_path,
                              const struct mrc_subscription_doc *doc)
{
    bool is_legacy = doc->ref.is_legacy;

    add_id(buf, hub_path, &doc->ref, is_legacy && !doc->is_member);
    add_member(buf, "type", mrc_bytes_of(is_legacy ? "Subscription" : "subscription"));
    if (!is_legacy)
        add_member(buf, "match_type", doc->ref.match_type);
    add_member(buf, is_legacy ? "topic" : "match", doc->ref.match);
    add_member(buf, "subscriber", doc->ref.subscriber);
    mrc_buf_add_str(buf, doc->active ? ACTIVE : ENDED);
    if (doc->last_event_id.ptr)
        add_member(buf, "lastEventID", doc->last_event_id);
    if (doc->payload.ptr) {
        mrc_buf_add_str(buf, ",\"payload\":");
        mrc_buf_add_bytes(buf, doc->payload);
    }
    mrc_buf_add_char(buf, '}');
}

bool mrc_subscription_doc_add_ended(struct mrc_buf *buf, struct mrc_bytes document)
{
    const struct mrc_bytes active = mrc_bytes_of(ACTIVE);
    struct mrc_bytes rest = document;

    while (!mrc_bytes_starts_with(rest, active)) {
        if (rest.len == 0)
            return false;
        rest.ptr++;
        rest.len--;
    }
    mrc_buf_add(buf, document.ptr, document.len - rest.len);
    mrc_buf_add_str(buf, ENDED);
    mrc_buf_add(buf, rest.ptr + active.len, rest.len - active.len);
    return true;
}

void mrc_subscription_doc_begin_list(struct mrc_buf *buf, const char *hub_path,
                                     const struct mrc_subscription_ref *ref,
                                     struct mrc_bytes last_event_id)
{
    add_id(buf, hub_path, ref, ref->is_legacy);
    add_member(buf, "type", mrc_bytes_of(ref->is_legacy ? "Subscriptions" : "subscriptions"));
    if (ref->is_legacy)
        add_member(buf, "lastEventID", last_event_id);
    mrc_buf_add_str(buf, ",\"subscriptions\":[");
}

void mrc_subscription_doc_end_list(struct mrc_buf *buf)
{
    mrc_buf_add_str(buf, "]}");
}

void mrc_subscription_doc_add_quoted(struct mrc_buf *buf, struct mrc_bytes text)
{
    mrc_buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            mrc_buf_add_char(buf, '\\');
        mrc_buf_add_char(buf, text.ptr[i]);
    }
    mrc_buf_add_char(buf, '"');
}
