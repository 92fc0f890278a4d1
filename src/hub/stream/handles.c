#include "hub/stream/handles.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "core/base/siphash.h"
#include "core/token/token.h"
#include "hub/control/order.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"

#define FIRST_BUCKETS ((size_t)64)

enum index { BY_HASH, BY_JTI, BY_SUB, INDEXES };

struct group {
    struct mrc_token *token;
    struct mrc_handle *first;
    bool is_used;                /* by mrc_handles_find(), which frees it */
    struct group *next[INDEXES]; /* in the bucket of each index */
};

struct mrc_handle {
    struct mrc_stream *stream;
    struct group *group; /* NULL: anonymous */
    struct mrc_handle *prev, *next;
    uint32_t since_s, serial;
};

struct mrc_handles {
    uint64_t key[2];
    uint32_t serial; /* of the newest handle */
    size_t groups;
    size_t buckets; /* of each index; a power of two */
    struct group **bucket[INDEXES];
};

/* ---- buckets ----------------------------------------------------------------------------------*/

/* The name under which INDEX has TOKEN; { NULL, 0 }: it is not in that index. */
static struct mrc_bytes name_of(const struct mrc_token *token, enum index index)
{
    const char *text;

    if (index == BY_HASH)
        return (struct mrc_bytes){(const char *)mrc_token_get_hash(token), MRC_TOKEN_HASH_BYTES};
    text = index == BY_JTI ? mrc_token_get_id(token) : mrc_token_get_subject(token);
    return text ? mrc_bytes_of(text) : (struct mrc_bytes){NULL, 0};
}

static struct group **bucket_of(const struct mrc_handles *handles, enum index index,
                                struct mrc_bytes name)
{
    return &handles->bucket[index][mrc_siphash(handles->key, name) & (handles->buckets - 1)];
}

static void link_group(struct mrc_handles *handles, struct group *group)
{
    for (enum index index = 0; index < INDEXES; index++) {
        struct mrc_bytes name = name_of(group->token, index);
        struct group **bucket;

        if (!name.ptr)
            continue;
        bucket = bucket_of(handles, index, name);
        group->next[index] = *bucket;
        *bucket = group;
    }
}

static void unlink_group(struct mrc_handles *handles, struct group *group)
{
    for (enum index index = 0; index < INDEXES; index++) {
        struct mrc_bytes name = name_of(group->token, index);
        struct group **link;

        if (!name.ptr)
            continue;
        link = bucket_of(handles, index, name);
        while (*link != group)
            link = &(*link)->next[index];
        *link = group->next[index];
    }
}

static bool allocate(struct group **bucket[INDEXES], size_t buckets)
{
    bool has_all = true;

    for (int i = 0; i < INDEXES; i++) {
        bucket[i] = calloc(buckets, sizeof(*bucket[i]));
        has_all = has_all && bucket[i];
    }
    for (int i = 0; i < INDEXES && !has_all; i++)
        free(bucket[i]);
    return has_all;
}

/* Doubles the number of buckets. Without memory, they only get fuller. */
static void grow(struct mrc_handles *handles)
{
    struct mrc_handles old = *handles;

    if (!allocate(handles->bucket, old.buckets * 2)) {
        *handles = old;
        return;
    }
    handles->buckets = old.buckets * 2;
    for (size_t i = 0; i < old.buckets; i++) {
        struct group *group = old.bucket[BY_HASH][i];

        while (group) { /* every group is in this index */
            struct group *next = group->next[BY_HASH];

            link_group(handles, group);
            group = next;
        }
    }
    for (int i = 0; i < INDEXES; i++)
        free(old.bucket[i]);
}

struct mrc_handles *mrc_handles_create(const uint64_t key[2])
{
    struct mrc_handles *handles = calloc(1, sizeof(*handles));

    if (!handles)
        return NULL;
    memcpy(handles->key, key, sizeof(handles->key));
    handles->buckets = FIRST_BUCKETS;
    if (allocate(handles->bucket, handles->buckets))
        return handles;
    free(handles);
    return NULL;
}

void mrc_handles_free(struct mrc_handles *handles)
{
    if (!handles)
        return;
    for (int i = 0; i < INDEXES; i++)
        free(handles->bucket[i]);
    free(handles);
}

/* ---- streams ----------------------------------------------------------------------------------*/

static struct group *find_group(const struct mrc_handles *handles, const struct mrc_token *token)
{
    struct mrc_bytes name = name_of(token, BY_HASH);
    struct group *group = *bucket_of(handles, BY_HASH, name);

    while (group && !mrc_bytes_eq(name_of(group->token, BY_HASH), name))
        group = group->next[BY_HASH];
    return group;
}

static struct group *get_group(struct mrc_handles *handles, struct mrc_token *token)
{
    struct group *group = find_group(handles, token);

    if (group)
        return group;
    group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->token = mrc_token_ref(token);
    if (handles->groups++ >= handles->buckets)
        grow(handles);
    link_group(handles, group);
    return group;
}

static void put_group(struct mrc_handles *handles, struct group *group)
{
    if (group->first || group->is_used)
        return;
    unlink_group(handles, group);
    handles->groups--;
    mrc_token_unref(group->token);
    free(group);
}

apr_status_t mrc_handles_add(struct mrc_handles *handles, struct mrc_stream *stream)
{
    struct mrc_token *token = mrc_subscriber_share_token(stream->subscriber);
    struct mrc_handle *handle = calloc(1, sizeof(*handle));

    if (!handle)
        return APR_ENOMEM;
    handle->stream = stream;
    handle->since_s = (uint32_t)apr_time_sec(apr_time_now());
    handle->serial = ++handles->serial;
    if (token) {
        handle->group = get_group(handles, token);
        if (!handle->group) {
            free(handle);
            return APR_ENOMEM;
        }
        handle->next = handle->group->first;
        if (handle->next)
            handle->next->prev = handle;
        handle->group->first = handle;
    }
    stream->handle = handle;
    return APR_SUCCESS;
}

uint32_t mrc_handle_get_since_s(const struct mrc_handle *handle)
{
    return handle->since_s;
}

uint32_t mrc_handle_get_serial(const struct mrc_handle *handle)
{
    return handle->serial;
}

void mrc_handles_remove(struct mrc_handles *handles, struct mrc_stream *stream)
{
    struct mrc_handle *handle = stream->handle;

    if (!handle)
        return;
    stream->handle = NULL;
    if (handle->group) {
        if (handle->prev)
            handle->prev->next = handle->next;
        else
            handle->group->first = handle->next;
        if (handle->next)
            handle->next->prev = handle->prev;
        put_group(handles, handle->group);
    }
    free(handle);
}

/* ---- finding ----------------------------------------------------------------------------------*/

static void call_group(struct mrc_handles *handles, struct group *group, mrc_handles_fn *fn,
                       void *ctx)
{
    group->is_used = true;
    for (struct mrc_handle *handle = group->first, *next; handle; handle = next) {
        next = handle->next;
        fn(ctx, handle->stream);
    }
    group->is_used = false;
    put_group(handles, group);
}

bool mrc_handles_find(struct mrc_handles *handles, const struct mrc_order *order,
                      mrc_handles_fn *fn, void *ctx)
{
    const struct mrc_bytes names[INDEXES] = {
        [BY_HASH] = order->token, [BY_JTI] = order->jti, [BY_SUB] = order->sub};
    enum index index = BY_HASH;
    struct group *group, *next;

    while (index < INDEXES && !names[index].ptr)
        index++;
    if (index == INDEXES)
        return false;
    for (group = *bucket_of(handles, index, names[index]); group; group = next) {
        next = group->next[index];
        if (mrc_order_fits_token(order, group->token))
            call_group(handles, group, fn, ctx);
    }
    return true;
}
