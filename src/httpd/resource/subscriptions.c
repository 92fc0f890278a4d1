#include "httpd/resource/subscriptions.h"

#include <inttypes.h>
#include <stdlib.h>

#include "apr_strings.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/protocol/subscription_doc.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "httpd/access/authorize.h"
#include "httpd/access/challenge.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"
#include "hub/presence/events.h"
#include "hub/subscriber/subscriber.h"
#include "hub/transport/listed.h"
#include "hub/transport/query.h"
#include "store/base/status.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"

APLOG_USE_MODULE(mercure);

/* A list is written in pieces of about this size, so that its length does not matter. */
#define PIECE_BYTES ((size_t)32 * 1024)

#define CONTENT_TYPE        "application/json"
#define LEGACY_CONTENT_TYPE "application/ld+json"

/*
 * A client may store the document, but must check each time whether it is still valid. Shared
 * caches must not store it, because not every client may read it.
 */
#define CACHE_CONTROL "private, no-cache, must-revalidate"

/* The state of one request; each step fills the fields that the next ones use. */
struct reading {
    request_rec *r;
    const struct mrc_claim *claim;
    struct mrc_token *token;
    struct mrc_subscription_ref ref; /* what the URL names; its views live in R's pool */
    enum mrc_matcher_type type;      /* of the matcher that REF names, if it names one */
    struct mrc_hub *hub;
    const struct mrc_roster *roster;
    apr_array_header_t *machines;   /* with a transport: the names of all; otherwise NULL */
    uint64_t changes;               /* of the list, before it is read */
    struct mrc_bytes last_event_id; /* the newest id before the list is read */
};

/* ---- the URL ----------------------------------------------------------------------------------*/

/* Parses the rest of CLAIM's URL; the views live in POOL. For a hub at `/`, the rest begins without
 * a slash. */
static bool parse(apr_pool_t *pool, const struct mrc_claim *claim, bool is_legacy,
                  struct mrc_subscription_ref *ref)
{
    const char *rest = claim->rest;

    if (*rest != '/')
        rest = apr_pstrcat(pool, "/", rest, NULL);
    return mrc_subscription_doc_parse(mrc_bytes_of(rest), is_legacy,
                                      apr_palloc(pool, strlen(rest) + 1), ref);
}

/* The content of BUF, which is freed, as a text in R's pool. NULL: out of memory. */
static const char *take_text(request_rec *r, struct mrc_buf *buf)
{
    const char *text = mrc_buf_error(buf) ? NULL : apr_pstrmemdup(r->pool, buf->ptr, buf->len);

    mrc_buf_free(buf);
    return text;
}

/* The path of REF, as the hub writes it. NULL: out of memory. */
static const char *url_of(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_subscription_ref *ref)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_add_url(&buf, claim->location->url_path, ref);
    return take_text(r, &buf);
}

/*
 * Whether TOKEN grants subscribe on the URL of REF. The topic is the path of the URL: either as the
 * client wrote it, or as the hub writes it in the topics of events. A backslash belongs to a match,
 * but a URL Pattern takes it for a slash, so such a path counts only as the hub writes it.
 */
static bool may_read(request_rec *r, const struct mrc_claim *claim, const struct mrc_token *token,
                     const struct mrc_subscription_ref *ref)
{
    const char *slash = *claim->rest == '/' ? "" : "/";
    const char *asked = apr_pstrcat(r->pool, claim->location->url_path, slash, claim->rest, NULL);
    const char *own = url_of(r, claim, ref);

    return (!strchr(asked, '\\') &&
            mrc_token_grants(token, MRC_ACTION_SUBSCRIBE, mrc_bytes_of(asked))) ||
           (own && mrc_token_grants(token, MRC_ACTION_SUBSCRIBE, mrc_bytes_of(own)));
}

/* ---- the headers of an answer -----------------------------------------------------------------*/

static int answer_unreachable(request_rec *r)
{
    return mrc_answer_later(r, "the list of all machines cannot be read, because their server "
                               "does not answer: try again");
}

/* A number that changes with the list. With a transport, changes are updates in the ring. */
static uint64_t changes_of(const struct reading *reading)
{
    struct mrc_ring_stats stats;

    if (!mrc_hub_link(reading->hub))
        return mrc_roster_changes(reading->roster);
    mrc_ring_stats(mrc_hub_ring(reading->hub), &stats);
    return stats.last_seq;
}

/*
 * The cursor is the newest id before the list is read. Changes that happen in the meantime are in
 * the events after it, so a client that follows these events misses nothing.
 */
static int add_head(struct reading *reading)
{
    const struct mrc_location *location = reading->claim->location;
    request_rec *r = reading->r;
    bool has_slash = location->path[strlen(location->path) - 1] == '/';
    apr_status_t status;
    struct mrc_buf link;
    const char *field;
    char *id = NULL;

    reading->changes = changes_of(reading);
    status = mrc_subscriber_peek(reading->hub, mrc_bytes_of(""), apr_time_now(), &id);
    if (status != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r,
                      "MRC0709: hub %s: the id of its newest update cannot be read",
                      location->hub->label);
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                                  "the hub could not read its history");
    }
    mrc_buf_init(&link, SIZE_MAX);
    mrc_buf_printf(&link, "<%s%s>; rel=\"mercure\"; last-event-id=", location->url_path,
                   has_slash ? "/" : "");
    mrc_subscription_doc_add_quoted(&link, mrc_bytes_of(id));
    mrc_buf_add_str(&link, "; type=\"" MRC_SUBSCRIPTION_DOC_EVENT "\"; "
                           "content-type=\"" CONTENT_TYPE "\"");
    reading->last_event_id = mrc_bytes_of(apr_pstrdup(r->pool, id));
    free(id);
    field = take_text(r, &link);
    if (!field)
        return mrc_failure_answer_no_memory(r);
    apr_table_setn(r->headers_out, "Link", field);
    apr_table_setn(r->headers_out, "Cache-Control", CACHE_CONTROL);
    mrc_answer_add_headers(r);
    return DECLINED;
}

/*
 * Whether If-None-Match (a list of entity tags, or `*`) has the ETag of the answer. mod_deflate and
 * mod_brotli append the encoding of an answer to its entity tag.
 */
static bool has_tag(request_rec *r)
{
    static const char *const encodings[] = {"", "-gzip", "-br"};
    const char *tag = apr_table_get(r->headers_out, "ETag");
    apr_table_t *headers = apr_table_make(r->pool, 1);
    bool result = false;

    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]) && !result; i++) {
        apr_table_setn(headers, "ETag",
                       apr_psprintf(r->pool, "%.*s%s\"", (int)strlen(tag) - 1, tag, encodings[i]));
        result = ap_condition_if_none_match(r, headers) >= AP_CONDITION_WEAK;
    }
    return result;
}

/*
 * Sets the entity tag, and returns whether the client has what it stands for already
 * (If-None-Match: a list of entity tags, or `*`). The tag is a hash of OF and BYTES. A secret that
 * is made with the hub's memory goes into it, so another start of the server makes other tags.
 */
static bool is_known(const struct reading *reading, bool is_weak, const uint64_t of[2],
                     struct mrc_bytes bytes)
{
    request_rec *r = reading->r;
    uint64_t hash = mrc_ring_secret_number(mrc_hub_ring(reading->hub), of, bytes);

    apr_table_setn(r->headers_out, "ETag",
                   apr_psprintf(r->pool, "%s\"%016" PRIx64 "\"", is_weak ? "W/" : "", hash));
    return has_tag(r);
}

/*
 * A list may change while it is sent, so that two answers with one tag differ: the tag is weak (RFC
 * 9110, 8.8.1). It changes with the list, with the cursor, which the answer has, too, and between
 * the protocols, which have one URL. The same id may be published twice, so it is not enough.
 */
static bool is_known_list(const struct reading *reading)
{
    const uint64_t of[2] = {reading->changes, reading->ref.is_legacy};

    return is_known(reading, true, of, reading->last_event_id);
}

/* The document of one subscription is complete before it is sent: the tag is strong. */
static bool is_known_document(const struct reading *reading, const char *document)
{
    const uint64_t of[2] = {0, UINT64_MAX};

    return is_known(reading, false, of, mrc_bytes_of(document));
}

static int answer_known(request_rec *r)
{
    r->status = HTTP_NOT_MODIFIED;
    return HTTP_NOT_MODIFIED;
}

/* ---- the documents ----------------------------------------------------------------------------*/

/* Whether the URL names ENTRY's matcher. The subscriber is not compared. */
static bool is_of_matcher(const struct reading *reading, const struct mrc_roster_entry *entry)
{
    const struct mrc_subscription_ref *ref = &reading->ref;

    if (ref->is_legacy != (entry->type == MRC_MATCHER_TEMPLATE))
        return false; /* each protocol lists only its own */
    return ref->variables == 0 ||
           (entry->type == reading->type && mrc_bytes_eq(entry->match, ref->match));
}

/* A list that is being sent. */
struct list {
    const struct reading *reading;
    struct mrc_buf out;
    bool is_first;
    struct mrc_buf last; /* the member of the engine that was added last */
    enum mrc_err err;    /* of that one; MRC_ENOMEM */
    bool is_odd;         /* the next one did not come after it: the list might have no end */
};

/* Sends the bytes in the buffer. False: the client is gone, or there is no memory. */
static bool send_piece(struct list *list)
{
    struct mrc_bytes piece = mrc_buf_bytes(&list->out);
    request_rec *r = list->reading->r;
    bool is_well = !mrc_buf_error(&list->out) && ap_rwrite(piece.ptr, (int)piece.len, r) >= 0 &&
                   !r->connection->aborted;

    mrc_buf_reset(&list->out);
    return is_well;
}

static void write_entry(struct list *list, const struct mrc_roster_entry *entry)
{
    struct mrc_subscription_doc doc;
    char text[MRC_UPDATE_ID_BYTES];

    if (!list->is_first)
        mrc_buf_add_char(&list->out, ',');
    list->is_first = false;
    mrc_presence_events_describe(entry, true, text, &doc);
    doc.is_member = true;
    mrc_subscription_doc_add(&list->out, list->reading->claim->location->url_path, &doc);
}

static bool add_entry(struct list *list, const struct mrc_roster_entry *entry)
{
    write_entry(list, entry);
    return mrc_buf_bytes(&list->out).len < PIECE_BYTES || send_piece(list);
}

/* What the members that the URL names begin with. */
static void add_prefix(const struct reading *reading, struct mrc_buf *prefix)
{
    const struct mrc_subscription_ref *ref = &reading->ref;

    mrc_buf_init(prefix, SIZE_MAX);
    if (ref->variables)
        mrc_listed_add_prefix(prefix, reading->type, ref->match, ref->subscriber);
}

/* Whether MEMBER is after LAST in the order of the engine. */
static bool is_behind(struct mrc_bytes member, struct mrc_bytes last)
{
    size_t common = member.len < last.len ? member.len : last.len;
    int order = common ? memcmp(member.ptr, last.ptr, common) : 0;

    return order > 0 || (order == 0 && member.len > last.len);
}

/* Adds MEMBER to the list, without sending anything: the connection to the engine is held. */
static bool add_member(void *ctx, struct mrc_bytes member)
{
    struct mrc_roster_entry entry = {.type = 0};
    struct list *list = ctx;

    list->is_odd = !is_behind(member, mrc_buf_bytes(&list->last));
    if (list->is_odd)
        return false;
    list->err = mrc_listed_parse(member, &entry);
    if (!list->err && is_of_matcher(list->reading, &entry))
        write_entry(list, &entry);
    mrc_roster_entry_free(&entry);
    mrc_buf_reset(&list->last);
    mrc_buf_add_bytes(&list->last, member);
    return list->err != MRC_ENOMEM && !mrc_buf_error(&list->last) && !mrc_buf_error(&list->out);
}

/* Sends all subscriptions of MACHINE that the URL names. */
static bool add_machine(struct list *list, const char *machine)
{
    struct mrc_query *query = mrc_hub_get_query(list->reading->hub);
    struct mrc_buf prefix;
    bool is_well = true;
    size_t count = 1;

    add_prefix(list->reading, &prefix);
    mrc_buf_reset(&list->last);
    while (is_well && count > 0)
        is_well = !mrc_buf_error(&prefix) &&
                  mrc_query_subscriptions(query, machine, mrc_buf_bytes(&prefix),
                                          mrc_buf_bytes(&list->last), add_member, list,
                                          &count) == APR_SUCCESS &&
                  list->err != MRC_ENOMEM && !list->is_odd && !mrc_buf_error(&list->last) &&
                  send_piece(list);
    mrc_buf_free(&prefix);
    return is_well;
}

static bool add_machines(struct list *list)
{
    const apr_array_header_t *machines = list->reading->machines;
    bool is_well = true;

    mrc_buf_init(&list->last, SIZE_MAX);
    for (int i = 0; i < machines->nelts && is_well; i++)
        is_well = add_machine(list, APR_ARRAY_IDX(machines, i, const char *));
    mrc_buf_free(&list->last);
    return is_well;
}

/* Sends all entries that the URL names. False: the list is not complete. */
static bool add_entries(struct list *list)
{
    const struct mrc_roster *roster = list->reading->roster;
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status = APR_SUCCESS;
    bool is_well = true;

    for (uint32_t cell = mrc_roster_from(roster, 0); cell < mrc_roster_count(roster) && is_well;
         cell = mrc_roster_from(roster, cell + 1)) {
        status = mrc_roster_read(roster, cell, &entry);
        if (status == APR_SUCCESS && is_of_matcher(list->reading, &entry))
            is_well = add_entry(list, &entry);
        else if (status == APR_ENOMEM)
            is_well = false;
    }
    mrc_roster_entry_free(&entry);
    return is_well;
}

static const char *content_type_of(const struct mrc_subscription_ref *ref)
{
    return ref->is_legacy ? LEGACY_CONTENT_TYPE : CONTENT_TYPE;
}

static int send_list(const struct reading *reading)
{
    struct list list = {.reading = reading, .is_first = true};
    request_rec *r = reading->r;
    bool is_well;

    ap_set_content_type(r, content_type_of(&reading->ref));
    if (r->header_only)
        return OK;
    mrc_buf_init(&list.out, SIZE_MAX);
    mrc_subscription_doc_begin_list(&list.out, reading->claim->location->url_path, &reading->ref,
                                    reading->last_event_id);
    is_well = reading->machines ? add_machines(&list) : add_entries(&list);
    mrc_subscription_doc_end_list(&list.out);
    is_well = is_well && send_piece(&list);
    mrc_buf_free(&list.out);
    /* Without the last chunk, the client notices that the list is not complete. */
    if (!is_well)
        r->connection->aborted = 1;
    return OK;
}

struct finding {
    struct mrc_roster_entry *entry;
    enum mrc_err err; /* MRC_OK: it is found, or nothing was looked at */
};

/* Reads MEMBER, and stops. */
static bool take_entry(void *ctx, struct mrc_bytes member)
{
    struct finding *finding = ctx;

    finding->err = mrc_listed_parse(member, finding->entry);
    return finding->err == MRC_EINVAL;
}

/* The same on all machines; others as mrc_query_subscriptions(). */
static apr_status_t find_on_machines(const struct reading *reading, struct mrc_roster_entry *entry)
{
    struct mrc_query *query = mrc_hub_get_query(reading->hub);
    const struct mrc_bytes none = {"", 0};
    struct finding finding = {.entry = entry};
    apr_status_t status = APR_SUCCESS;
    struct mrc_buf prefix;
    size_t count;

    add_prefix(reading, &prefix);
    if (mrc_buf_error(&prefix))
        status = APR_ENOMEM;
    else if (reading->ref.subscriber.len == 0)
        status = APR_NOTFOUND;
    for (int i = 0; i < reading->machines->nelts && !status && !entry->buf; i++) {
        status =
            mrc_query_subscriptions(query, APR_ARRAY_IDX(reading->machines, i, const char *),
                                    mrc_buf_bytes(&prefix), none, take_entry, &finding, &count);
        if (finding.err == MRC_ENOMEM)
            status = APR_ENOMEM;
    }
    mrc_buf_free(&prefix);
    return status || entry->buf ? status : APR_NOTFOUND;
}

/* Finds the entry that the URL names. APR_NOTFOUND: there is none; APR_ENOMEM. */
static apr_status_t find_entry(const struct reading *reading, struct mrc_roster_entry *entry)
{
    const struct mrc_roster *roster = reading->roster;
    char text[MRC_UPDATE_ID_BYTES];

    for (uint32_t cell = mrc_roster_from(roster, 0); cell < mrc_roster_count(roster);
         cell = mrc_roster_from(roster, cell + 1)) {
        apr_status_t status = mrc_roster_read(roster, cell, entry);

        if (status == APR_ENOMEM)
            return status;
        if (status != APR_SUCCESS || !is_of_matcher(reading, entry))
            continue;
        mrc_update_id_make(entry->subscriber, text);
        if (mrc_bytes_eq_str(reading->ref.subscriber, text))
            return APR_SUCCESS;
    }
    return APR_NOTFOUND;
}

static const char *document_of(const struct reading *reading, const struct mrc_roster_entry *entry)
{
    struct mrc_subscription_doc doc;
    char text[MRC_UPDATE_ID_BYTES];
    struct mrc_buf buf;

    mrc_presence_events_describe(entry, true, text, &doc);
    if (doc.ref.is_legacy)
        doc.last_event_id = reading->last_event_id;
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_add(&buf, reading->claim->location->url_path, &doc);
    return take_text(reading->r, &buf);
}

static int send_single(const struct reading *reading)
{
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status =
        reading->machines ? find_on_machines(reading, &entry) : find_entry(reading, &entry);
    request_rec *r = reading->r;
    const char *document = status == APR_SUCCESS ? document_of(reading, &entry) : NULL;

    mrc_roster_entry_free(&entry);
    if (status == APR_NOTFOUND)
        return mrc_answer_problem(r, HTTP_NOT_FOUND, "there is no such active subscription");
    if (status == MRC_STATUS_UNREACHABLE)
        return answer_unreachable(r);
    if (!document)
        return mrc_failure_answer_no_memory(r);
    if (is_known_document(reading, document))
        return answer_known(r);
    return mrc_answer_ok(r, content_type_of(&reading->ref), mrc_bytes_of(document));
}

/* ---- the steps --------------------------------------------------------------------------------*/

/*
 * Each returns DECLINED to continue; otherwise R has been answered, and the handler returns the
 * value.
 */

static int authorize(struct reading *reading)
{
    int status = mrc_authorize(reading->r, reading->claim, MRC_ROLE_SUBSCRIBER, &reading->token);

    if (status != DECLINED || reading->token)
        return status;
    return mrc_challenge(reading->r, MRC_CHALLENGE_MISSING,
                         "reading the subscriptions needs an access token: send it in the field "
                         "Authorization, after Bearer");
}

/* The token decides whether URLs are read as those of protocol 0.x or as modern ones. */
static int parse_url(struct reading *reading)
{
    if (parse(reading->r->pool, reading->claim, mrc_token_is_legacy(reading->token), &reading->ref))
        return DECLINED;
    return mrc_answer_problem(reading->r, HTTP_NOT_FOUND,
                              "subscriptions are at /subscriptions below the hub's URL, "
                              "at /subscriptions/{match_type}/{match}, and at "
                              "/subscriptions/{match_type}/{match}/{subscriber}; with a "
                              "token of protocol 0.x at "
                              "/subscriptions[/{topic}[/{subscriber}]]");
}

static int check_grants(const struct reading *reading)
{
    if (may_read(reading->r, reading->claim, reading->token, &reading->ref))
        return DECLINED;
    return mrc_challenge(reading->r, MRC_CHALLENGE_SCOPE,
                         "the access token does not grant subscribe on this URL's path");
}

/* The list of a child with an older configuration is no longer updated, so it is not used. */
static int find_roster(struct reading *reading)
{
    struct mrc_hub *hub = mrc_this_child_hub(reading->claim->location->hub->index);

    if (!hub || !mrc_hub_roster(hub) || mrc_ring_is_superseded(mrc_hub_ring(hub)))
        return mrc_answer_later(reading->r, "the server is being reconfigured: try again");
    reading->hub = hub;
    reading->roster = mrc_hub_roster(hub);
    return DECLINED;
}

static int parse_type(struct reading *reading)
{
    const struct mrc_subscription_ref *ref = &reading->ref;

    reading->type = ref->is_legacy ? MRC_MATCHER_TEMPLATE : MRC_MATCHER_EXACT;
    if (ref->variables == 0 || ref->is_legacy ||
        mrc_matcher_type_parse(ref->match_type, &reading->type) == MRC_OK)
        return DECLINED;
    return mrc_answer_problem(reading->r, HTTP_NOT_FOUND,
                              "the URL names no matcher type of this hub: use exact or urlpattern");
}

/* With a transport: finds the machines. A list without some of them would be wrong. */
static int find_machines(struct reading *reading)
{
    struct mrc_query *query = mrc_hub_get_query(reading->hub);
    request_rec *r = reading->r;

    if (!mrc_hub_link(reading->hub))
        return DECLINED;
    reading->machines = apr_array_make(r->pool, 8, sizeof(const char *));
    if (query && mrc_query_machines(query, r->pool, reading->machines) == APR_SUCCESS)
        return DECLINED;
    return answer_unreachable(r);
}

static int send_body(struct reading *reading)
{
    int status;

    if (reading->ref.variables != 3 && is_known_list(reading))
        return answer_known(reading->r);
    status = find_machines(reading);
    if (status != DECLINED)
        return status;
    return reading->ref.variables == 3 ? send_single(reading) : send_list(reading);
}

int mrc_subscriptions_serve(request_rec *r, const struct mrc_claim *claim)
{
    struct reading reading = {.r = r, .claim = claim};
    int status = mrc_body_discard(r);

    if (status == DECLINED)
        status = authorize(&reading);
    if (status == DECLINED)
        status = parse_url(&reading);
    if (status == DECLINED)
        status = check_grants(&reading);
    if (status == DECLINED)
        status = find_roster(&reading);
    if (status == DECLINED)
        status = parse_type(&reading);
    if (status == DECLINED)
        status = add_head(&reading);
    if (status == DECLINED)
        status = send_body(&reading);
    mrc_token_unref(reading.token);
    return status;
}
