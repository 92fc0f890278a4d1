#include "store/engine/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include <hiredis/hiredis.h>

const struct redisReply *mrc_reply_at(const struct redisReply *reply, size_t i)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i]
                                                                            : NULL;
}

struct mrc_bytes mrc_reply_text(const struct redisReply *reply)
{
    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
        return (struct mrc_bytes){"", 0};
    return (struct mrc_bytes){reply->str, (size_t)reply->len};
}

bool mrc_reply_number(const struct redisReply *reply, uint64_t *ret_number)
{
    struct mrc_bytes text = mrc_reply_text(reply);
    uint64_t number = 0;

    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        if (reply->integer < 0)
            return false;
        *ret_number = (uint64_t)reply->integer;
        return true;
    }
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.ptr[i] - '0';

        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

static bool take_field(const struct redisReply *fields, size_t i, const char *name,
                       struct mrc_bytes *ret_value)
{
    *ret_value = mrc_reply_text(mrc_reply_at(fields, 2 * i + 1));
    return mrc_bytes_eq_str(mrc_reply_text(mrc_reply_at(fields, 2 * i)), name);
}

/* False: another program wrote them. ENTRY then has none of them. */
static bool take_fields(const struct redisReply *fields, struct mrc_entry *entry)
{
    bool has_fork = fields->elements == 6;
    struct mrc_bytes text, blob;
    struct mrc_entry_head head;
    uint64_t fork = 0;

    if ((fields->elements != 4 && !has_fork) || !take_field(fields, 0, "h", &text) ||
        !mrc_entry_parse_head(text, &head) || !take_field(fields, 1, "b", &blob) ||
        (has_fork &&
         (!take_field(fields, 2, "f", &text) || !mrc_reply_number(mrc_reply_at(fields, 5), &fork))))
        return false;
    entry->head = head;
    entry->blob = blob;
    entry->has_fork = has_fork;
    entry->fork = fork;
    return true;
}

bool mrc_reply_entry(const struct redisReply *reply, struct mrc_entry *ret_entry)
{
    const struct redisReply *fields = mrc_reply_at(reply, 1);
    struct mrc_entry entry = {.is_ours = false};

    if (!mrc_entry_parse_id(mrc_reply_text(mrc_reply_at(reply, 0)), &entry.number,
                            &entry.generation))
        return false;
    entry.is_ours = fields && take_fields(fields, &entry);
    *ret_entry = entry;
    return true;
}

bool mrc_reply_is_stream_id(struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '-' && (text.ptr[i] < '0' || text.ptr[i] > '9'))
            return false;
    }
    return text.len > 0 && text.len < MRC_ASKS_ID_BYTES;
}

bool mrc_reply_ask(const struct redisReply *reply, struct mrc_ask *ret_ask)
{
    const struct redisReply *fields = mrc_reply_at(reply, 1);
    struct mrc_ask ask;

    if (!take_field(fields, 0, "n", &ask.nonce) || !take_field(fields, 1, "f", &ask.from) ||
        !take_field(fields, 2, "t", &ask.to) || !take_field(fields, 3, "q", &ask.question) ||
        ask.nonce.len == 0 || ask.nonce.len > MRC_ASKS_NONCE_MAX ||
        ask.question.len > MRC_ASKS_QUESTION_MAX)
        return false;
    *ret_ask = ask;
    return true;
}

bool mrc_reply_set_error(struct mrc_engine_error *error, enum mrc_engine_reason reason,
                         const char *fmt, ...)
{
    va_list args;

    error->reason = reason;
    va_start(args, fmt);
    vsnprintf(error->text.text, sizeof(error->text.text), fmt, args);
    va_end(args);
    return false;
}

/* The first word of an error, and what it means. */
static const struct {
    const char *word;
    enum mrc_engine_reason reason;
} words[] = {
    {"NOAUTH", MRC_ENGINE_AUTH},        {"WRONGPASS", MRC_ENGINE_AUTH},
    {"NOPERM", MRC_ENGINE_AUTH},        {"READONLY", MRC_ENGINE_READONLY},
    {"UNBLOCKED", MRC_ENGINE_READONLY}, {"MOVED", MRC_ENGINE_READONLY},
    {"ASK", MRC_ENGINE_LOADING},        {"LOADING", MRC_ENGINE_LOADING},
    {"MASTERDOWN", MRC_ENGINE_LOADING}, {"BUSY", MRC_ENGINE_LOADING},
    {"TRYAGAIN", MRC_ENGINE_LOADING},   {"CLUSTERDOWN", MRC_ENGINE_LOADING},
    {"NOSCRIPT", MRC_ENGINE_LOADING},   {"MRESET", MRC_ENGINE_RESET},
    {"MIDENTITY", MRC_ENGINE_IDENTITY}, {"MFORMAT", MRC_ENGINE_IDENTITY},
    {"OOM", MRC_ENGINE_FULL},           {"MISCONF", MRC_ENGINE_FULL},
    {"NOREPLICAS", MRC_ENGINE_FULL},
};

bool mrc_reply_is_good(const struct redisReply *reply, struct mrc_engine_error *error)
{
    enum mrc_engine_reason reason = MRC_ENGINE_PROTOCOL;
    struct mrc_bytes text, first;

    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    text = (struct mrc_bytes){reply->str, (size_t)reply->len};
    first = text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ') {
            first.len = i;
            break;
        }
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (mrc_bytes_eq_str(first, words[i].word))
            reason = words[i].reason;
    }
    /*
     * The reply to a password without a user, if the server has no password: it has no code of its
     * own.
     */
    if (reason == MRC_ENGINE_PROTOCOL && text.len > 8 && !memcmp(text.ptr, "ERR AUTH", 8))
        reason = MRC_ENGINE_AUTH;
    while (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    return mrc_reply_set_error(error, reason, "%.*s", text.len < 200 ? (int)text.len : 200,
                               text.ptr);
}
