/*
 * The engine: a Redis or Valkey server that several machines share, so that together they are one
 * hub. This header says where the engine is, and what can go wrong with it.
 *
 * The keys of a hub share a hash tag, T = `{prefix:NAME}`, and so one slot of a cluster:
 *
 *     T:log     stream   the entries (entry.h): number-generation
 *     T:head    hash     generation `g`, newest number `n`, bytes ever stored `c`, identity `i`,
 *                        format `v`, bounds `b`, key of positions `k`, the last counter of each
 *                        writer `w:WRITER`, since when a writer has had no machine `d:WRITER` (in
 *                        seconds; both go after 30 days), when such writers were last looked for
 *                        `s`, how far machines had read a generation that is gone `o:GENERATION`,
 *                        a mark if only some subscriptions of a dead machine are removed `x:NAME`,
 *                        how often revocations were entered again `r`
 *     T:m       hash     the machines that take part, and what each reported last; `-`: it has
 *                        learned that others have removed some of its subscriptions
 *     T:p:NAME  zset     the active subscriptions of a machine; all scores are 0, so that they are
 *                        in the order of their bytes
 *     T:r       zset     the revocations; the score is the time when they end, and negative if they
 *                        are lifted, so that no machine enters them again
 *
 * The NAME of a machine ends with its writer, so a machine that starts again is another one.
 */
#ifndef MRC_STORE_ENGINE_ENGINE_H
#define MRC_STORE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/* The format of the keys. A machine does not join a hub of another format. */
#define MRC_ENGINE_FORMAT 1

/* A secret. A file is read again at each connection; VALUE is what it held when the configuration
 * was read, for a child that may not read the file. */
struct mrc_engine_secret {
    const char *value; /* NULL: none */
    const char *file;  /* NULL: it does not come from a file */
};

struct mrc_engine_host {
    const char *name;
    uint16_t port;
};

/* Where an engine is, and how to speak to it. Constant. */
struct mrc_engine_spec {
    const struct mrc_engine_host *hosts;
    size_t hosts_count;
    unsigned db;
    const char *user; /* NULL: the default user */
    struct mrc_engine_secret password;
    bool is_tls;
    const char *ca_file;   /* NULL: the authorities that the system trusts */
    const char *cert_file; /* NULL: no client certificate */
    const char *key_file;
    int64_t timeout_us;   /* for one answer */
    bool is_cluster;      /* the hosts are nodes of a cluster */
    const char *sentinel; /* the primary's name at the hosts, which are Sentinels; or NULL */
    const char *sentinel_user;
    struct mrc_engine_secret sentinel_password;
};

/* Why a command or a connection failed. The names are those of the metrics. */
enum mrc_engine_reason {
    MRC_ENGINE_REFUSED,  /* no server listens there, or the name is unknown */
    MRC_ENGINE_TIMEOUT,  /* no answer in time */
    MRC_ENGINE_CLOSED,   /* the server closed the connection */
    MRC_ENGINE_READONLY, /* the server is not the primary */
    MRC_ENGINE_AUTH,     /* user, password or rights */
    MRC_ENGINE_TLS,      /* the certificate, or the handshake */
    MRC_ENGINE_LOADING,  /* the server is busy, or loads its data */
    MRC_ENGINE_PROTOCOL, /* an answer that makes no sense */
    MRC_ENGINE_RESET,    /* the hub has another generation */
    MRC_ENGINE_IDENTITY, /* the keys belong to another hub, or to another version */
    MRC_ENGINE_FULL,     /* the server accepts no write now: memory, disk, replicas */
    MRC_ENGINE_REASONS
};

struct mrc_engine_error {
    enum mrc_engine_reason reason;
    struct mrc_error text; /* what happened, without the fix */
};

/* The word for REASON in metrics, a constant. */
const char *mrc_engine_reason_text(enum mrc_engine_reason reason);

/* Whether this build can use an engine. */
bool mrc_engine_is_built(void);

#endif
