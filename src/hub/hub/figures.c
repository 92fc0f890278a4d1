#include "hub/hub/figures.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "hub/hub/hub.h"

/* Of the text: a reader accepts its own version only. */
#define VERSION 1

/* No machine has larger figures. So sums do not overflow, and stay exact in the JSON of a browser
 * for as many machines as there can be. */
#define NUMBER_MAX ((json_int_t)1 << 44)
#define RATE_MAX   1e12

static const char *const kinds[MRC_FIGURES_KINDS] = {
    [MRC_BUSIEST_UPDATES] = "updates",
    [MRC_BUSIEST_RECEIVERS] = "receivers",
};

void mrc_figures_take(const struct mrc_hub *hub, const struct mrc_activity_rates *rates,
                      uint64_t children, struct mrc_figures *ret_figures)
{
    ret_figures->subscribers = mrc_numbers_gauge(mrc_hub_numbers(hub), MRC_GAUGE_SUBSCRIBERS);
    ret_figures->memory_bytes = mrc_hub_memory_bytes(hub);
    ret_figures->children = children;
    ret_figures->rates = *rates;
    for (int kind = 0; kind < MRC_FIGURES_KINDS; kind++) {
        struct mrc_figures_topics *topics = &ret_figures->topics[kind];

        topics->count = mrc_activity_busiest(mrc_hub_activity(hub), (enum mrc_busiest_kind)kind,
                                             topics->topics, MRC_FIGURES_TOPICS);
    }
}

/* ---- adding -----------------------------------------------------------------------------------*/

static struct mrc_busiest_topic *find(struct mrc_busiest_topic *topics, size_t count,
                                      const struct mrc_busiest_topic *topic)
{
    for (size_t i = 0; i < count; i++) {
        if (topics[i].text_bytes == topic->text_bytes &&
            !memcmp(topics[i].text, topic->text, topic->text_bytes))
            return &topics[i];
    }
    return NULL;
}

/* Puts the first COUNT topics in order, the busiest first. */
static void sort(struct mrc_busiest_topic *topics, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct mrc_busiest_topic topic = topics[i];
        size_t at = i;

        for (; at > 0 && topics[at - 1].count < topic.count; at--)
            topics[at] = topics[at - 1];
        topics[at] = topic;
    }
}

static void add_topics(struct mrc_figures_topics *topics, const struct mrc_figures_topics *others)
{
    struct mrc_busiest_topic all[2 * MRC_FIGURES_TOPICS];
    size_t count = topics->count;

    memcpy(all, topics->topics, count * sizeof(*all));
    for (size_t i = 0; i < others->count; i++) {
        struct mrc_busiest_topic *same = find(all, count, &others->topics[i]);

        if (same)
            same->count += others->topics[i].count;
        else
            all[count++] = others->topics[i];
    }
    sort(all, count);
    topics->count = count < MRC_FIGURES_TOPICS ? count : MRC_FIGURES_TOPICS;
    memcpy(topics->topics, all, topics->count * sizeof(*all));
}

void mrc_figures_add(struct mrc_figures *figures, const struct mrc_figures *other)
{
    figures->subscribers += other->subscribers;
    figures->memory_bytes += other->memory_bytes;
    figures->children += other->children;
    figures->rates.publications_per_s += other->rates.publications_per_s;
    figures->rates.deliveries_per_s += other->rates.deliveries_per_s;
    for (int i = 0; i <= MRC_NUMBERS_BOUNDS; i++)
        figures->rates.latencies[i] += other->rates.latencies[i];
    for (int kind = 0; kind < MRC_FIGURES_KINDS; kind++)
        add_topics(&figures->topics[kind], &other->topics[kind]);
}

/* ---- writing ----------------------------------------------------------------------------------*/

void mrc_figures_add_topics(struct mrc_buf *out, const struct mrc_figures_topics *topics)
{
    mrc_buf_add_char(out, '[');
    for (size_t i = 0; i < topics->count; i++) {
        const struct mrc_busiest_topic *topic = &topics->topics[i];

        mrc_buf_add_str(out, i ? ",{\"topic\":" : "{\"topic\":");
        mrc_json_add_string(out, (struct mrc_bytes){topic->text, topic->text_bytes});
        mrc_buf_printf(out, ",\"count\":%" PRIu64 "}", topic->count);
    }
    mrc_buf_add_char(out, ']');
}

void mrc_figures_encode(const struct mrc_figures *figures, struct mrc_buf *out)
{
    mrc_buf_printf(out,
                   "{\"version\":%d,\"subscribers\":%" PRIu64 ",\"memory_bytes\":%" PRIu64
                   ",\"children\":%" PRIu64
                   ",\"publications_per_s\":%.3f,\"deliveries_per_s\":%.3f,\"latencies\":[",
                   VERSION, figures->subscribers, figures->memory_bytes, figures->children,
                   figures->rates.publications_per_s, figures->rates.deliveries_per_s);
    for (int i = 0; i <= MRC_NUMBERS_BOUNDS; i++)
        mrc_buf_printf(out, i ? ",%" PRIu64 : "%" PRIu64, figures->rates.latencies[i]);
    mrc_buf_add_char(out, ']');
    for (int kind = 0; kind < MRC_FIGURES_KINDS; kind++) {
        mrc_buf_printf(out, ",\"%s\":", kinds[kind]);
        mrc_figures_add_topics(out, &figures->topics[kind]);
    }
    mrc_buf_add_char(out, '}');
}

/* ---- reading ----------------------------------------------------------------------------------*/

static bool read_number(const json_t *value, uint64_t *ret_number)
{
    json_int_t number = json_integer_value(value); /* 0 if it is not an integer */

    if (!json_is_integer(value) || number < 0 || number > NUMBER_MAX)
        return false;
    *ret_number = (uint64_t)number;
    return true;
}

static bool read_rate(const json_t *value, double *ret_rate)
{
    double rate = json_number_value(value);

    if (!json_is_number(value) || !(rate >= 0 && rate <= RATE_MAX))
        return false;
    *ret_rate = rate;
    return true;
}

static bool read_latencies(const json_t *array, uint64_t *ret_latencies)
{
    if (json_array_size(array) != MRC_NUMBERS_BOUNDS + 1)
        return false;
    for (size_t i = 0; i <= MRC_NUMBERS_BOUNDS; i++) {
        if (!read_number(json_array_get(array, i), &ret_latencies[i]))
            return false;
    }
    return true;
}

static bool read_topics(const json_t *array, struct mrc_figures_topics *ret_topics)
{
    size_t count = json_array_size(array);

    if (!json_is_array(array) || count > MRC_FIGURES_TOPICS)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(array, i), *text = json_object_get(one, "topic");
        struct mrc_busiest_topic *topic = &ret_topics->topics[i];

        if (!json_is_string(text) || json_string_length(text) > sizeof(topic->text) ||
            !read_number(json_object_get(one, "count"), &topic->count))
            return false;
        topic->text_bytes = json_string_length(text);
        memcpy(topic->text, json_string_value(text), topic->text_bytes);
    }
    ret_topics->count = count;
    return true;
}

static bool read_all(const json_t *root, struct mrc_figures *ret_figures)
{
    return json_integer_value(json_object_get(root, "version")) == VERSION &&
           read_number(json_object_get(root, "subscribers"), &ret_figures->subscribers) &&
           read_number(json_object_get(root, "memory_bytes"), &ret_figures->memory_bytes) &&
           read_number(json_object_get(root, "children"), &ret_figures->children) &&
           read_rate(json_object_get(root, "publications_per_s"),
                     &ret_figures->rates.publications_per_s) &&
           read_rate(json_object_get(root, "deliveries_per_s"),
                     &ret_figures->rates.deliveries_per_s) &&
           read_latencies(json_object_get(root, "latencies"), ret_figures->rates.latencies) &&
           read_topics(json_object_get(root, kinds[0]), &ret_figures->topics[0]) &&
           read_topics(json_object_get(root, kinds[1]), &ret_figures->topics[1]);
}

enum mrc_err mrc_figures_decode(struct mrc_bytes text, struct mrc_figures *ret_figures)
{
    struct mrc_figures figures;
    struct mrc_error unused;
    json_t *root;
    enum mrc_err err = mrc_json_parse_object(text, &unused, &root);

    if (err)
        return err;
    err = read_all(root, &figures) ? MRC_OK : MRC_EINVAL;
    json_decref(root);
    if (!err)
        *ret_figures = figures;
    return err;
}
