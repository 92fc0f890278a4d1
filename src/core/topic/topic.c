#include "core/topic/topic.h"

#include <stdlib.h>

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

static enum mrc_err parse(struct mrc_topic *topic)
{
    struct mrc_url *base = NULL;
    enum mrc_err err = MRC_OK;

    if (topic->base)
        err = mrc_url_parse(mrc_bytes_of(topic->base), NULL, NULL, &base);
    if (!err)
        err = mrc_url_parse(topic->text, base, NULL, &topic->url);
    mrc_url_free(base);
    return err;
}

enum mrc_err mrc_topic_get_url(struct mrc_topic *topic, const struct mrc_url **ret_url)
{
    if (!topic->is_parsed) {
        if (parse(topic) == MRC_ENOMEM)
            return MRC_ENOMEM;
        topic->is_parsed = true;
    }
    if (!topic->url)
        return MRC_EINVAL;
    *ret_url = topic->url;
    return MRC_OK;
}

enum mrc_err mrc_topic_get_anchor(struct mrc_topic *topic, enum mrc_anchor anchor,
                                  struct mrc_anchor_text *ret_text)
{
    const struct mrc_url *url;
    enum mrc_err err = MRC_OK;

    if (!mrc_anchor_is_of_url(anchor)) {
        mrc_anchor_of_text(anchor, topic->text, ret_text);
        return MRC_OK;
    }
    err = mrc_topic_get_url(topic, &url);
    if (!err)
        mrc_anchor_of_url(anchor, url, ret_text);
    return err;
}

enum mrc_err mrc_topics_init(struct mrc_topics *topics, const struct mrc_bytes *texts, size_t count)
{
    topics->all = topics->few;
    topics->count = 0;
    if (count > MRC_TOPICS_FEW)
        topics->all = calloc(count, sizeof(*topics->all));
    if (!topics->all)
        return MRC_ENOMEM;
    for (; topics->count < count; topics->count++)
        mrc_topic_init(&topics->all[topics->count], texts[topics->count], NULL);
    return MRC_OK;
}

void mrc_topics_forget(struct mrc_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        mrc_topic_clear(&topics->all[i]);
        topics->all[i].base = NULL;
    }
}

void mrc_topics_clear(struct mrc_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++)
        mrc_topic_clear(&topics->all[i]);
    if (topics->all != topics->few)
        free(topics->all);
    topics->all = NULL;
    topics->count = 0;
}
