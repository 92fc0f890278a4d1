/*
 * An active subscription as the engine lists it:
 *
 *     TYPE/MATCH/SUBSCRIBER NUL P PAYLOAD
 *
 * MATCH is percent-encoded, so that all subscriptions with one matcher begin alike. P is `p` with a
 * payload, otherwise `-`.
 */
#ifndef MRC_HUB_TRANSPORT_LISTED_H
#define MRC_HUB_TRANSPORT_LISTED_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/topic/matcher.h"

struct mrc_roster_entry;

/* Appends ENTRY to BUF. */
void mrc_listed_add(struct mrc_buf *buf, const struct mrc_roster_entry *entry);

/*
 * Appends what all members with a matcher begin with; if SUBSCRIBER is not empty, only its members.
 */
void mrc_listed_add_prefix(struct mrc_buf *buf, enum mrc_matcher_type type, struct mrc_bytes match,
                           struct mrc_bytes subscriber);

/* Reads MEMBER into ENTRY, which owns a copy of its bytes. MRC_EINVAL: it is not such a member;
 * MRC_ENOMEM. */
enum mrc_err mrc_listed_parse(struct mrc_bytes member, struct mrc_roster_entry *entry);

#endif
