/*
 * Parses a subscription request: the topic matchers and the cursor in its query string and in its
 * body (draft-dunglas-mercure-08, "Subscription").
 *
 *     match=V, match_exact=V    the topic V
 *     match_urlpattern=V        the topics that the URL Pattern V matches; match_TYPE=V in general
 *     last_event_id=ID          the id of the last event that the client has received
 *
 * All other names that begin with `match`, in upper or lower case, are reserved and refused. Other
 * parameters are ignored. Protocol 0.x has `topic=V` and other names for the cursor.
 *
 * The parser reads forms, but does not interpret matcher types: it returns pairs of a type and a
 * value, which core/topic compiles.
 */
#ifndef MRC_CORE_PROTOCOL_SUBSCRIPTION_H
#define MRC_CORE_PROTOCOL_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_form;

/* One topic matcher, not yet compiled. */
struct mrc_subscription_matcher {
    struct mrc_bytes type; /* a name, unchecked; { NULL, 0 }: a URI template, `topic` of 0.x */
    struct mrc_bytes value;
};

struct mrc_subscription_request {
    struct mrc_subscription_matcher *matchers; /* malloc()ed array of views */
    size_t matchers_count;                     /* at least 1 */
    bool has_cursor;
    struct mrc_bytes cursor; /* may be empty even with has_cursor */
};

/* The rules of a hub. A request that exceeds a limit is refused with MRC_ELIMIT. */
struct mrc_subscription_rules {
    size_t matchers_max;    /* number of matchers */
    size_t value_max_bytes; /* length of each matcher's value */
    bool is_legacy;         /* protocol 0.x is accepted, too */
};

/*
 * Reads QUERY and then BODY, either of which may be NULL: the matchers of both, and the first
 * cursor (with protocol 0.x the first one that is not empty, because its clients send the cursor
 * under several names). REQUEST gets views into both forms, which must outlive it; the caller
 * clears it. MRC_EINVAL or MRC_ELIMIT, with the fix in ERROR; MRC_ENOMEM.
 */
enum mrc_err mrc_subscription_parse(const struct mrc_form *query, const struct mrc_form *body,
                                    const struct mrc_subscription_rules *rules,
                                    struct mrc_error *error,
                                    struct mrc_subscription_request *ret_request);

/* Frees the array of matchers. The views belong to the forms. Accepts NULL. */
void mrc_subscription_request_clear(struct mrc_subscription_request *request);

/*
 * The cursor in FIELD, the value of a field Last-Event-ID, or in OUT, which has room for twice as
 * many bytes. An EventSource sends the id in UTF-8. Programs that set the field themselves, such as
 * scripts with fetch(), can often send only ISO-8859-1, so a value that is not UTF-8 is read as
 * that.
 */
struct mrc_bytes mrc_subscription_cursor_of_field(struct mrc_bytes field, char *out);

#endif
