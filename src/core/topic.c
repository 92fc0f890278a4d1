#include "core/topic.h"

void mrc_topic_init(struct mrc_topic *topic, struct mrc_bytes text, const char *base)
{
    *topic = (struct mrc_topic){.text = text, .base = base};
}

void mrc_topic_clear(struct mrc_topic *topic)
{
    mrc_url_free(topic->url);
    topic->url = NULL;
    topic->is_parsed = false;
}

const struct mrc_url *mrc_topic_get_url(struct mrc_topic *topic)
{
    struct mrc_url *base = NULL;

    if (topic->is_parsed)
        return topic->url;
    topic->is_parsed = true;
    if (!topic->base || mrc_url_parse(mrc_bytes_of(topic->base), NULL, NULL, &base) == MRC_OK)
        mrc_url_parse(topic->text, base, NULL, &topic->url);
    mrc_url_free(base);
    return topic->url;
}
