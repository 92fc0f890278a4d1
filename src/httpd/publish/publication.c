#include "httpd/publish/publication.h"

#include "core/token/token.h"
#include "core/topic/reserved.h"
#include "hub/hub/hub.h"

static bool is_reserved(const struct mrc_publication *publication, struct mrc_bytes topic)
{
    return mrc_reserved_covers(topic, publication->hub_url, publication->hub_paths,
                               publication->hub_paths_count);
}

static enum mrc_publication_verdict check_update(const struct mrc_publication *publication,
                                                 const struct mrc_update *update,
                                                 struct mrc_bytes *ret_topic)
{
    for (size_t i = 0; i < update->topics_count; i++) {
        if (is_reserved(publication, update->topics[i])) {
            *ret_topic = update->topics[i];
            return MRC_PUBLICATION_RESERVED;
        }
    }
    for (size_t i = 0; publication->token && i < update->topics_count; i++) {
        if (!mrc_token_grants(publication->token, MRC_ACTION_PUBLISH, update->topics[i])) {
            *ret_topic = update->topics[i];
            return MRC_PUBLICATION_NOT_GRANTED;
        }
    }
    return MRC_PUBLICATION_ACCEPTED;
}

enum mrc_publication_verdict mrc_publication_check(const struct mrc_publication *publication,
                                                   struct mrc_publication_refusal *ret_refusal)
{
    for (size_t i = 0; i < publication->count; i++) {
        struct mrc_publication_refusal refusal = {.index = i};
        enum mrc_publication_verdict verdict =
            check_update(publication, &publication->updates[i], &refusal.topic);

        if (verdict != MRC_PUBLICATION_ACCEPTED) {
            *ret_refusal = refusal;
            return verdict;
        }
    }
    return MRC_PUBLICATION_ACCEPTED;
}

apr_status_t mrc_publication_make_ids(struct mrc_publication *publication, struct mrc_hub *hub)
{
    for (size_t i = 0; i < publication->count; i++) {
        struct mrc_update *update = &publication->updates[i];
        apr_status_t status;

        if (update->id.ptr)
            continue;
        status = mrc_hub_make_id(hub, publication->ids[i]);
        if (status)
            return status;
        update->id = mrc_bytes_of(publication->ids[i]);
    }
    return APR_SUCCESS;
}

apr_status_t mrc_publication_store(const struct mrc_publication *publication, struct mrc_hub *hub,
                                   int64_t now_us)
{
    return mrc_hub_publish(hub, publication->updates, publication->count, now_us);
}
