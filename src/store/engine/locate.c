#include "store/engine/locate.h"

#include <string.h>

#include "store/engine/login.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

#define SLOTS 16384

/* A Sentinel that does not answer must not delay the next one for long. */
#define SENTINEL_US ((int64_t)300 * 1000)

/* The most bytes of one answer: a cluster has at most 1000 nodes. */
#define REPLY_MAX_BYTES ((uint64_t)1 << 20)

/* ---- slots ------------------------------------------------------------------------------------*/

/* CRC-16/XMODEM, as the specification of Redis Cluster defines it. */
static unsigned crc16(struct mrc_bytes bytes)
{
    unsigned crc = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        crc &= 0xffff;
    }
    return crc;
}

unsigned mrc_locate_slot(struct mrc_bytes key)
{
    const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;

    if (open) {
        struct mrc_bytes tag = {open + 1, key.len - (size_t)(open + 1 - key.ptr)};
        const char *end = tag.len ? memchr(tag.ptr, '}', tag.len) : NULL;

        if (end && end != tag.ptr)
            key = (struct mrc_bytes){tag.ptr, (size_t)(end - tag.ptr)};
    }
    return crc16(key) % SLOTS;
}

/* ---- answers ----------------------------------------------------------------------------------*/

static bool set_address(struct mrc_locate *located, struct mrc_bytes name, uint64_t port)
{
    if (name.len == 0 || name.len >= MRC_LOCATE_NAME_BYTES || memchr(name.ptr, 0, name.len) ||
        port == 0 || port > UINT16_MAX)
        return false;
    memcpy(located->name, name.ptr, name.len);
    located->name[name.len] = '\0';
    located->port = (uint16_t)port;
    return true;
}

void mrc_locate_ask_sentinel(struct mrc_wire *wire, const struct mrc_engine_spec *spec)
{
    mrc_wire_begin(wire, 3);
    mrc_wire_add_text(wire, "SENTINEL");
    mrc_wire_add_text(wire, "get-master-addr-by-name");
    mrc_wire_add_text(wire, spec->sentinel);
}

bool mrc_locate_of_sentinel(const struct redisReply *reply, struct mrc_locate *ret_located,
                            struct mrc_engine_error *error)
{
    uint64_t port;

    if (mrc_reply_number(mrc_reply_at(reply, 1), &port) &&
        set_address(ret_located, mrc_reply_text(mrc_reply_at(reply, 0)), port))
        return true;
    return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL,
                               "the Sentinel knows no primary of the name in sentinel=");
}

/* Finds the primary of SLOT in the answer to CLUSTER SLOTS. A node without a name is the one that
 * was asked, HOST. */
static bool find_slot(const struct redisReply *reply, unsigned slot,
                      const struct mrc_engine_host *host, struct mrc_locate *ret_located,
                      struct mrc_engine_error *error)
{
    const struct redisReply *range;

    for (size_t i = 0; (range = mrc_reply_at(reply, i)); i++) {
        const struct redisReply *node = mrc_reply_at(range, 2);
        struct mrc_bytes name = mrc_reply_text(mrc_reply_at(node, 0));
        uint64_t first, last, port;

        if (!mrc_reply_number(mrc_reply_at(range, 0), &first) ||
            !mrc_reply_number(mrc_reply_at(range, 1), &last) || slot < first || slot > last)
            continue;
        if (name.len == 0)
            name = mrc_bytes_of(host->name);
        if (mrc_reply_number(mrc_reply_at(node, 1), &port) && set_address(ret_located, name, port))
            return true;
    }
    return mrc_reply_set_error(error, MRC_ENGINE_LOADING,
                               "no node of the cluster has the hub's slot");
}

/* ---- asking -----------------------------------------------------------------------------------*/

/* Asks HOST. The wire of a Sentinel stays open. */
static bool ask(struct mrc_lookups *lookups, const struct mrc_engine_spec *spec,
                const struct mrc_tls *tls, const struct mrc_engine_host *host, const char *key,
                struct mrc_locate *ret_located, struct mrc_engine_error *error)
{
    int64_t timeout_us = spec->sentinel ? SENTINEL_US : spec->timeout_us;
    struct mrc_wire *wire = mrc_wire_connect(lookups, host, tls, timeout_us, error);
    struct redisReply *reply = NULL;
    bool is_good;

    if (wire)
        mrc_wire_set_reply_max(wire, REPLY_MAX_BYTES);
    is_good = wire && mrc_login(wire, spec->sentinel ? spec->sentinel_user : spec->user,
                                spec->sentinel ? &spec->sentinel_password : &spec->password,
                                "mod_mercure-s", timeout_us, error);

    if (is_good && spec->sentinel) {
        mrc_locate_ask_sentinel(wire, spec);
    } else if (is_good) {
        mrc_wire_begin(wire, 2);
        mrc_wire_add_text(wire, "CLUSTER");
        mrc_wire_add_text(wire, "SLOTS");
    }
    if (is_good)
        reply = mrc_wire_wait(wire, timeout_us, error);
    is_good = reply && mrc_reply_is_good(reply, error) &&
              (spec->sentinel ? mrc_locate_of_sentinel(reply, ret_located, error)
                              : find_slot(reply, mrc_locate_slot(mrc_bytes_of(key)), host,
                                          ret_located, error));
    mrc_wire_free_reply(reply);
    if (is_good && spec->sentinel)
        ret_located->wire = wire;
    else
        mrc_wire_close(wire);
    return is_good;
}

bool mrc_locate(struct mrc_lookups *lookups, const struct mrc_engine_spec *spec,
                const struct mrc_tls *tls, const char *key, struct mrc_locate *ret_located,
                struct mrc_engine_error *error)
{
    *ret_located = (struct mrc_locate){.port = 0};
    for (size_t i = 0; i < spec->hosts_count; i++) {
        if (ask(lookups, spec, tls, &spec->hosts[i], key, ret_located, error))
            return true;
    }
    return false;
}
