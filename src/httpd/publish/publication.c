#include "httpd/publish/publication.h"

#include "core/token/token.h"
#include "core/topic/reserved.h"
#include "hub/hub/hub.h"

static bool is_reserved(const struct mrc_publication *publication, struct mrc_bytes topic)
{
    return mrc_reserved_covers(topic, publication->hub_url, publication->hub_paths,
                               publication->hub_paths_count);
}

enum mrc_publication_verdict mrc_publication_check(const struct mrc_publication *publication,
                                                   struct mrc_bytes *ret_topic)
{
    const struct mrc_update *update = &publication->update;

    for (size_t i = 0; i < update->topics_count; i++) {
        if (is_reserved(publication, update->topics[i])) {
            *ret_topic = update->topics[i];
            return MRC_PUBLICATION_RESERVED;
        }
    }
    for (size_t i = 0; i < update->topics_count; i++) {
        if (!mrc_token_grants(publication->token, MRC_ACTION_PUBLISH, update->topics[i])) {
            *ret_topic = update->topics[i];
            return MRC_PUBLICATION_NOT_GRANTED;
        }
    }
    return MRC_PUBLICATION_ACCEPTED;
}

apr_status_t mrc_publication_make_id(struct mrc_publication *publication, struct mrc_hub *hub)
{
    apr_status_t status;

    if (publication->update.id.ptr)
        return APR_SUCCESS;
    status = mrc_hub_make_id(hub, publication->id);
    if (status == APR_SUCCESS)
        publication->update.id = mrc_bytes_of(publication->id);
    return status;
}

apr_status_t mrc_publication_store(const struct mrc_publication *publication, struct mrc_hub *hub,
                                   int64_t now_us)
{
    return mrc_hub_publish(hub, &publication->update, now_us);
}
